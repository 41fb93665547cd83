// gRPC by examples/grpc, against the clients of grpc-js and of Python's grpcio.
//
//   node scripts/trials/http2/grpc.mjs

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { grpcFolder } from './grpc-folder.mjs';
import { check, finish, program, run, skip } from './lib.mjs';

const PYTHON = ['grpcio==1.76.0'];

const folder = await grpcFolder();
if (folder !== null) {
  const python = await pythonWithGrpc();
  for (const example of ['server', 'direct-server']) {
    console.log(`# examples/grpc/${example}.mjs`);
    const server = await startExample(example);
    await all(process.execPath, [join(folder, 'trial', 'client.mjs'), server.port]);
    if (python !== null) {
      await all(python, [join(folder, 'trial', 'client.py'), server.port]);
    }
    await check('the server ends well', server.stop);
  }
}
finish();

/** Runs a client whose lines say what was right, and what was not. */
async function all(file, args) {
  const { code, out } = await run(file, args, { seconds: 50 });
  for (const line of out.split('\n').filter(Boolean)) {
    const [, name, fault] = /^(.*?)(?:: FAULT (.*))?$/.exec(line);
    await check(name, () => assert.equal(fault, undefined));
  }
  await check(`${args[0].split('/').at(-1)} ends well`, () => assert.equal(code, 0, out));
}

/** A Python that has grpcio; null if there is none. */
async function pythonWithGrpc() {
  const python = program('python3');
  if (python === null) {
    return null;
  }
  const venv = join(folder, 'python');
  const own = join(venv, 'bin', 'python');
  if (!existsSync(own)) {
    const made = await run(python, ['-m', 'venv', venv], { seconds: 60 });
    const args = ['-m', 'pip', 'install', '--quiet', ...PYTHON];
    const got = made.code === 0 ? await run(own, args, { seconds: 200 }) : made;
    if (got.code !== 0) {
      rmSync(venv, { recursive: true, force: true });
      skip(`pip could not install ${PYTHON.join(' ')}: ${got.out.trim().split('\n').at(-1)}`);
      return null;
    }
  }
  return own;
}

async function startExample(name) {
  const child = spawn(process.execPath, [join(folder, 'example', `${name}.mjs`)], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return {
    port: String(new URL(value.split(' ').at(-1)).port),
    async stop() {
      child.kill('SIGTERM');
      assert.equal(await ended, 0);
    },
  };
}
