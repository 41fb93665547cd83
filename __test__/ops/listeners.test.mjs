// Sockets that a server does not bind itself: inherited ones, and those of a service manager.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer as createNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { serve } from 'reactor-rs';
import { BIN } from '../support/command.mjs';

const folder = mkdtempSync(join(tmpdir(), 'reactor-fd-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const QUIET = ['-q', '--control', 'false', '--json'];
const CERT = ['--tls-self-signed'];

/** A listening socket of this process, for others to inherit. */
async function listening(t, where = { port: 0, host: '127.0.0.1' }) {
  const server = createNet().listen(where);
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  return { server, fd: server._handle.fd, port: server.address().port };
}

/**
 * Starts the command with sockets as descriptors 3, 4 and so on.
 * @param names of the sockets, as systemd passes them; `undefined` if there is no systemd
 */
function command(t, sockets, args, names, env = {}) {
  // LISTEN_PID is that of the command itself, which exec keeps.
  const passed =
    names === undefined
      ? ''
      : `LISTEN_PID=$$ LISTEN_FDS=${sockets.length} LISTEN_FDNAMES=${names} `;
  const child = spawn(
    '/bin/sh',
    ['-c', `${passed}exec "$@"`, 'sh', process.execPath, BIN, ...args],
    {
      stdio: ['ignore', 'pipe', 'pipe', ...sockets.map(({ fd }) => fd)],
      env: { ...process.env, REACTOR_RUNTIME_DIR: folder, ...env },
    },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const stderr = text(child.stderr);
  let out = '';
  /** What the processes told when they listened. */
  const lines = () => out.split('\n').filter((each) => each.endsWith('}'));
  const toldBy = (count) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const line = lines()[count - 1];
        if (line !== undefined) resolve(JSON.parse(line));
      };
      child.stdout.on('data', look);
      child.once(
        'exit',
        async (code) => count === 1 && reject(new Error(`${code}: ${await stderr}`)),
      );
      look();
    });
  child.stdout.on('data', (data) => {
    out += data;
  });
  const told = toldBy(1);
  told.catch(() => {});
  const stop = () => {
    child.kill('SIGTERM');
    return new Promise((resolve) => child.once('exit', resolve));
  };
  return { told, toldBy, stop, child };
}

const ask = ({ port }, path = '/') =>
  new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, agent: false }, (res) => resolve(text(res)))
      .on('error', reject)
      .end();
  });

test('serve listens on a descriptor, alone and among others', async (t) => {
  const [one, two] = [await listening(t), await listening(t)];
  const alone = await serve({ fd: one.fd, fetch: () => new Response('alone') });
  t.is(alone.port, one.port);
  // Node's own server accepts from the first socket, too; its answer would not be ours.
  one.server.close();
  t.is(await ask(one), 'alone');
  await alone.stop();
  const several = await serve({
    listen: [{ port: 0 }, `fd:${two.fd}`],
    fetch: () => new Response('2'),
  });
  two.server.close();
  t.is(several.urls[1].port, String(two.port));
  t.is(await ask(two), '2');
  await several.stop();
});

test('what cannot listen is refused with its cause', async (t) => {
  const { fd, port } = await listening(t);
  const client = connect(port, '127.0.0.1');
  await new Promise((resolve) => client.once('connect', resolve));
  const datagram = createSocket('udp4').bind(0, '127.0.0.1');
  await new Promise((resolve) => datagram.once('listening', resolve));
  t.teardown(() => {
    client.destroy();
    datagram.close();
  });
  for (const [given, message] of [
    [client._handle.fd, /cannot listen on descriptor \d+: it is a connection/],
    [
      datagram[
        Object.getOwnPropertySymbols(datagram).find((one) => String(one) === 'Symbol(state symbol)')
      ].handle.fd,
      /it is no stream socket/,
    ],
    [9999, /cannot listen on descriptor 9999: this process has no such descriptor open/],
  ]) {
    await t.throwsAsync(serve({ fd: given }), { code: 'ERR_REACTOR_DESCRIPTOR', message });
  }
  for (const [options, message] of [
    [{ fd: -1 }, /option "fd" must be an integer from 0 to 1048575, got -1/],
    [{ fd: '3' }, /option "fd" must be an integer/],
    [
      { fd, port: 1 },
      /option "port" cannot be given together with "fd": the socket is bound already/,
    ],
    [{ fd, reusePort: true }, /option "reusePort" cannot be given together with "fd"/],
    [{ fd, listen: 80 }, /option "fd" cannot be given together with "listen": give it inside/],
    [
      { listen: [`fd:${fd}`, { fd }] },
      /options "listen\[0\]" and "listen\[1\]" are the same descriptor/,
    ],
    [{ metrics: 'fd:x' }, /option "metrics" must be .*"fd:3"/],
    [{ listen: 'fd:x' }, /option "listen" must be a port, text such as/],
    [{ listen: 'systemd' }, /no service manager has passed a socket to this process/],
  ]) {
    await t.throwsAsync(serve(options), { code: 'ERR_REACTOR_INVALID_OPTION', message });
  }
});

test('metrics listen on a descriptor too', async (t) => {
  for (const given of [(place) => place, (place) => ({ listen: place })]) {
    const { server: first, port, fd } = await listening(t);
    const metrics = given(`fd:${fd}`);
    const server = await serve({ port: 0, metrics, fetch: () => new Response('app') });
    t.is(server.metricsUrl, `http://127.0.0.1:${port}/metrics`);
    first.close();
    t.regex(await ask({ port }, '/metrics'), /^# HELP /);
    await server.stop();
  }
});

test('the file of an inherited unix socket stays its maker’s', async (t) => {
  const unix = join(folder, 'maker.sock');
  const { fd } = await listening(t, unix);
  const server = await serve({ fd });
  t.is(server.unix, unix);
  await server.stop();
  t.true(existsSync(unix));
});

test('the command listens on descriptors', async (t) => {
  const sockets = [await listening(t), await listening(t)];
  const many = command(t, sockets, ['serve', ...QUIET, '--fd', '3', '--fd', '4']);
  t.deepEqual(
    (await many.told).urls.map((url) => Number(new URL(url).port)),
    sockets.map(({ port }) => port),
  );
  const list = command(
    t,
    sockets,
    ['serve', ...QUIET, ...CERT, '--listen', 'https://fd:4'],
    undefined,
    {
      REACTOR_FD: '3',
    },
  );
  t.deepEqual(
    (await list.told).urls.map((url) => new URL(url).protocol),
    ['https:'],
  );
  t.is(await list.stop(), 0);
  t.is(await many.stop(), 0);
  const both = command(t, sockets, ['serve', ...QUIET, '--fd', '3', '-p', '1']);
  await t.throwsAsync(both.told, {
    message: '2: reactor-rs: -p/--port cannot be given together with --fd\n',
  });
  await t.throwsAsync(command(t, [], ['serve', ...QUIET, '--fd', '3,3']).told, {
    message: '2: reactor-rs: --fd names the descriptor 3 twice\n',
  });
  await t.throwsAsync(command(t, [], ['serve', ...QUIET, '--fd', 'x']).told, {
    message: /2: reactor-rs: --fd must be an integer from 0 to 1048575, got "x"/,
  });
});

test('the command takes the sockets of a service manager by their names', async (t) => {
  const sockets = await Promise.all([1, 2, 3].map(() => listening(t)));
  const [first, secured, metrics] = sockets;
  const server = command(t, sockets, ['serve', ...QUIET, ...CERT], 'app.socket:https:metrics', {
    PORT: '1',
  });
  const { urls, metricsUrl } = await server.told;
  for (const { server } of sockets) server.close();
  t.deepEqual(
    urls.map((url) => Number(new URL(url).port)),
    [first.port, secured.port],
  );
  t.deepEqual(
    urls.map((url) => new URL(url).protocol),
    ['http:', 'https:'],
  );
  t.is(Number(new URL(metricsUrl).port), metrics.port);
  t.is(await ask(first), 'Hello, World!');
  t.regex(await ask(metrics, '/metrics'), /process_open_fds/);
  t.is(await server.stop(), 0);
});

test('sockets of a service manager and a place of one’s own exclude each other', async (t) => {
  const one = await listening(t);
  const port = command(t, [one], ['serve', ...QUIET, '-p', '8080'], 'x');
  await t.throwsAsync(port.told, {
    message: '2: reactor-rs: -p/--port cannot be given together with LISTEN_FDS\n',
  });
  const tls = command(t, [one], ['serve', ...QUIET], 'https');
  await t.throwsAsync(tls.told, {
    message: /a socket named "https": give certificate and key as option "tls"/,
  });
});

test('programs take them too, and their children do not see them', async (t) => {
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { serve } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    import { execFileSync } from 'node:child_process';
    import { readlinkSync } from 'node:fs';
    const server = await serve({ listen: 'systemd', fetch: () => new Response('program') });
    const env = execFileSync('env', { encoding: 'utf8' });
    const open = execFileSync('sh', ['-c', 'ls -l /proc/self/fd'], { encoding: 'utf8' });
    const own = readlinkSync('/proc/self/fd/3');
    console.log(JSON.stringify({ port: server.port, env: env.includes('LISTEN_'), isKept: open.includes(own), own }));
    `,
  );
  const one = await listening(t);
  const child = spawn(
    '/bin/sh',
    ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', process.execPath, program],
    { stdio: ['ignore', 'pipe', 'inherit', one.fd] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await new Promise((resolve) =>
    child.stdout.on('data', (data) => resolve(String(data).split('\n'))),
  );
  const { port, env, own, isKept } = JSON.parse(line);
  t.is(port, one.port);
  t.false(env);
  t.regex(own, /^socket:/);
  t.false(isKept);
  one.server.close();
  t.is(await ask(one), 'program');
});

test('variables for another process are left alone', async (t) => {
  const server = command(t, [], ['serve', ...QUIET, '-H', '127.0.0.1', '-p', '0'], undefined, {
    LISTEN_PID: '1',
    LISTEN_FDS: '2',
  });
  t.true((await server.told).port > 0);
  t.is(await server.stop(), 0);
});

for (const flags of [['--no-supervise'], ['--supervise']]) {
  test(`sockets of a service manager go to the next generation, ${flags}`, async (t) => {
    const sockets = [await listening(t), await listening(t)];
    const [web, metrics] = sockets;
    const args = ['serve', ...QUIET, ...flags];
    const server = command(t, sockets, args, 'web:metrics', { PORT: '1' });
    let { pid } = await server.told;
    for (const { server } of sockets) server.close();
    for (let generation = 2; generation < 4; generation++) {
      // The process itself, its supervisor, or the successor.
      process.kill(flags[0] === '--supervise' ? server.child.pid : pid, 'SIGUSR2');
      const next = await server.toldBy(generation);
      t.teardown(() => process.kill(next.pid, 'SIGKILL'));
      t.not(next.pid, pid);
      t.is(next.port, web.port);
      t.is(Number(new URL(next.metricsUrl).port), metrics.port);
      t.is(await ask(web), 'Hello, World!');
      ({ pid } = next);
    }
  });
}

test('a supervisor passes the descriptors of its flags on', async (t) => {
  const sockets = [await listening(t)];
  const server = command(t, sockets, ['serve', ...QUIET, '--supervise', '--fd', '3']);
  t.is((await server.told).port, sockets[0].port);
  sockets[0].server.close();
  t.is(await ask(sockets[0]), 'Hello, World!');
  t.is(await server.stop(), 0);
});
