// What a user may get wrong, on one line each: stderr says what, and the exit code is
// 2 for a wrong command line, 1 for what the system answers.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { run, serve } from '../support/command.mjs';

/** What is in the way: files, sockets and ports of others. */
const there = {};
const ends = [];

test.before(async () => {
  const folder = temporary('reactor-mistakes-');
  const runtime = temporary('reactor-run-');
  const path = (name) => join(folder, name);
  writeFileSync(path('file'), '');
  writeFileSync(path('empty.mjs'), 'export const nothing = 1;\n');
  const answering = (body) => createHttpServer((_, res) => res.end(body));
  await listen(answering('{"pid":1}'), path('json.sock'));
  await listen(answering('hello'), path('text.sock'));
  // Among the control sockets of our servers.
  await listen(answering('{"pid":1}'), join(runtime, '1.sock'));
  await leaveStale(path('stale.sock'));
  const ssh = createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n'));
  const closed = createServer();
  const port = await listen(closed, 0, '127.0.0.1');
  await new Promise((resolve) => closed.close(resolve));
  const env = { REACTOR_RUNTIME_DIR: runtime };
  const { pid } = await serve({ teardown: (end) => ends.push(end) }, LOCAL, { env });
  Object.assign(there, {
    folder,
    path,
    env,
    pid,
    long: path('x'.repeat(120)),
    used: await listen(createServer(), 0, '127.0.0.1'),
    ssh: await listen(ssh, 0, '127.0.0.1'),
    closed: port,
  });
});

test.after.always(() => {
  for (const end of ends) {
    end();
  }
});

function temporary(name) {
  const path = mkdtempSync(join(tmpdir(), name));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function listen(server, ...where) {
  ends.push(() => server.close().closeAllConnections?.());
  server.listen(...where);
  await once(server, 'listening');
  return server.address().port;
}

/** Its server is gone, as after a crash. */
async function leaveStale(path) {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log())`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
}

const LOCAL = ['-H', '127.0.0.1', '-p', '0'];
const bench = (...args) => ['bench', '-n', '1', '-c', '1', ...args];
const monitor = (...args) => ['monitor', '--once', ...args];
const serving = (...args) => ['serve', ...LOCAL, ...args];

const PLACE =
  'must be a port from 0 to 65535, or text such as "0\\.0\\.0\\.0:80", .*; the flag is given once for each place, got';

/** What it is, the command line, its exit code and what is said. */
const MISTAKES = [
  [
    'bench: another scheme',
    () => bench('ftp://x'),
    2,
    () => 'url must be host:port or a URL such as .* got "ftp://x"',
  ],
  [
    'bench: no URL at all',
    () => bench('--proxy-protocol'),
    2,
    () => 'bench needs a URL, such as reactor-rs bench http://localhost:8080/',
  ],
  ['bench: no URL', () => bench('/x'), 2, () => 'url must be host:port or a URL .* got "/x"'],
  [
    'bench: no connections',
    () => ['bench', '-c', '0', 'http://a'],
    2,
    () => '-c/--connections must be an integer from 1 to 65535, got "0"',
  ],
  [
    'bench: nobody listens',
    () => bench(`http://127.0.0.1:${there.closed}`),
    1,
    () => `cannot connect to 127\\.0\\.0\\.1:${there.closed}: .*refused.*`,
  ],
  [
    'bench: no such host',
    () => bench('http://no.such.host.invalid'),
    1,
    () => "cannot find host 'no\\.such\\.host\\.invalid': .*",
  ],
  [
    'bench: a host without a way to it',
    () => bench('--timeout', '300ms', 'http://255.255.255.255:1/'),
    1,
    () => 'cannot connect to 255\\.255\\.255\\.255:1: .*',
  ],
  [
    'bench: no such socket',
    () => bench('--unix', there.path('none'), 'http://x/'),
    1,
    () => `cannot connect to .*${there.path('none')}.*: .*`,
  ],
  [
    'bench: a file that is no socket',
    () => bench('--unix', there.path('file'), 'http://x/'),
    1,
    () => `cannot connect to .*${there.path('file')}.*: .*`,
  ],
  [
    'bench: a socket path that is too long',
    () => bench('--unix', there.long, 'http://x/'),
    1,
    () => `.*${there.long}.*`,
  ],
  [
    'bench: a server that speaks no HTTP',
    () => [...bench(`http://127.0.0.1:${there.ssh}`), '--json'],
    1,
    () => '1 of 1 requests failed, more than --max-errors 0',
  ],
  [
    'serve: no place',
    () => ['serve', '--listen', '8080', '--listen', 'x:y'],
    2,
    () => `--listen ${PLACE} "x:y"`,
  ],
  ['serve: no port', () => ['serve', '--listen', '99999'], 2, () => `--listen ${PLACE} "99999"`],
  [
    'serve: places with a comma',
    () => ['serve', '--listen', '1,2'],
    2,
    () => `--listen ${PLACE} "1,2"`,
  ],
  [
    'serve: no place in a variable',
    () => ['serve'],
    2,
    () => `REACTOR_LISTEN ${PLACE} "y"`,
    { REACTOR_LISTEN: '0,y' },
  ],
  [
    'serve: a trace that is no share',
    () => serving('--trace', '2'),
    2,
    () => '--trace must be true, false or a share from 0 to 1, got "2"',
  ],
  [
    'monitor: no server',
    () => monitor(),
    1,
    () => 'no server of yours is running with a control socket \\(looked in .*\\)',
    { REACTOR_RUNTIME_DIR: '/nonexistent' },
  ],
  [
    'monitor: no terminal',
    () => ['monitor'],
    2,
    () => 'monitor needs a terminal; use --json or --once',
  ],
  [
    'monitor: a process that is no server',
    () => monitor(`${process.pid}`),
    1,
    () => `no server has the process id or port ${process.pid}; there is pid ${there.pid} on .*`,
  ],
  [
    'monitor: no process',
    () => monitor('x'),
    1,
    () => '"x" is no process id, port or path of a control socket',
  ],
  [
    'monitor: a stale socket',
    () => monitor(there.path('stale.sock')),
    1,
    () =>
      `no server answers on the control socket "${there.path('stale.sock')}": no process listens on it`,
  ],
  [
    'monitor: no such socket',
    () => monitor(there.path('none')),
    1,
    () => `no server answers on the control socket "${there.path('none')}": there is no such file`,
  ],
  [
    'monitor: a file',
    () => monitor(there.path('file')),
    1,
    () =>
      `no server answers on the control socket "${there.path('file')}": no process listens on it`,
  ],
  [
    'monitor: another program that answers in JSON',
    () => monitor(there.path('json.sock')),
    1,
    () =>
      `no server answers on the control socket "${there.path('json.sock')}": its answer is not that of a control socket: "version" is not as expected`,
  ],
  [
    'monitor: another program that answers',
    () => monitor(there.path('text.sock')),
    1,
    () =>
      `no server answers on the control socket "${there.path('text.sock')}": its answer is no JSON`,
  ],
  [
    'monitor: no interval',
    () => monitor('-n', '0'),
    2,
    () => '--interval must be from 0\\.1 to 3600, got "0"',
  ],
  [
    'serve: a log that is a folder',
    () => serving('--access-log', there.folder),
    1,
    () => `cannot open the access log '${there.folder}': it is a folder`,
  ],
  [
    'serve: a log in no folder',
    () => serving('--access-log', there.path('none/log')),
    1,
    () => `cannot open the access log '${there.path('none/log')}': its folder does not exist`,
  ],
  [
    'serve: a log behind a file',
    () => serving('--access-log', there.path('file/log')),
    1,
    () => `cannot open the access log '${there.path('file/log')}': .*`,
  ],
  [
    'serve: a format that is none',
    () => serving('--access-log', '-', '--log-format', 'xml'),
    2,
    () => '--log-format must be .* got "xml"',
  ],
  [
    'serve: metrics on a port in use',
    () => serving('--metrics', `${there.used}`),
    1,
    () =>
      `metrics: cannot listen on 127\\.0\\.0\\.1:${there.used}: the address is already in use; .*`,
  ],
  [
    'serve: metrics on a path that is too long',
    () => serving('--metrics', there.long),
    1,
    () =>
      `metrics: cannot listen on '${there.long}': the path of a unix socket has at most 107 bytes`,
  ],
  [
    'serve: metrics on a file',
    () => serving('--metrics', there.path('file')),
    1,
    () =>
      `metrics: cannot listen on '${there.path('file')}': a file that is no socket is already there; .*`,
  ],
  [
    'serve: metrics in no folder',
    () => serving('--metrics', there.path('none/socket')),
    1,
    () => `metrics: cannot listen on '${there.path('none/socket')}': its folder does not exist`,
  ],
  [
    'serve: metrics on an address of others',
    () => serving('--metrics', '192.0.2.1:0'),
    1,
    () => 'metrics: cannot listen on 192\\.0\\.2\\.1:0: this machine has no such address',
  ],
  [
    'serve: metrics nowhere',
    () => serving('--metrics', 'x'),
    2,
    () => '--metrics must be a port from 0 to 65535, .* got "x"',
  ],
  [
    'serve: control on a socket in use',
    () => serving('--control', there.path('text.sock')),
    1,
    () =>
      `control: cannot listen on '${there.path('text.sock')}': another server is listening there; .*`,
  ],
  [
    'serve: control on a path that is too long',
    () => serving('--control', there.long),
    1,
    () =>
      `control: cannot listen on '${there.long}': the path of a unix socket has at most 107 bytes`,
  ],
  [
    'serve: control in no folder',
    () => serving('--control', there.path('none/socket')),
    1,
    () => `control: cannot listen on '${there.path('none/socket')}': its folder does not exist`,
  ],
  [
    'serve: a port in use',
    () => ['serve', '-H', '127.0.0.1', '-p', `${there.used}`],
    1,
    () => `cannot listen on 127\\.0\\.0\\.1:${there.used}: the address is already in use; .*`,
  ],
  [
    'serve: a port that is none',
    () => ['serve', '-p', '65536'],
    2,
    () => '-p/--port must be an integer from 0 to 65535, got "65536"',
  ],
  [
    'serve: too many threads',
    () => serving('-i', '17'),
    2,
    () => '-i/--io-threads must be .*16.* got "17"',
  ],
  [
    'serve: a socket path that is too long',
    () => ['serve', '--unix', there.long],
    1,
    () => `cannot listen on '${there.long}': the path of a unix socket has at most 107 bytes`,
  ],
  [
    'serve: no such module',
    () => serving(there.path('none.mjs')),
    2,
    () => `.*${there.path('none.mjs')}.*`,
  ],
  [
    'serve: a module without a handler',
    () => serving(there.path('empty.mjs')),
    1,
    () => `.*${there.path('empty.mjs')}.*`,
  ],
  ['no such option', () => serving('--prot', '1'), 2, () => "unknown option '--prot'.*"],
  ['no such command', () => ['sevre'], 2, () => ".*'sevre'.*"],
];

for (const [what, args, code, message, env] of MISTAKES) {
  test(`${what} is one line`, async (t) => {
    const wrong = await run(args(), { env: { ...there.env, ...env } });
    t.regex(wrong.stderr, new RegExp(`^reactor-rs: ${message()}\n$`));
    t.is(wrong.stderr.indexOf('\n'), wrong.stderr.length - 1);
    t.is(wrong.code, code);
  });
}
