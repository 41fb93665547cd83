// Large and long bodies between transfer-server.mjs and real clients.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, request } from 'undici';
import { launch } from '../support/command.mjs';

const SERVER = fileURLToPath(new URL('transfer-server.mjs', import.meta.url));
const CHUNK = Buffer.alloc(64 * 1024, 'x');

export const MIB = 2 ** 20;

/** What the memory of a server may grow by at its peak, however large the body. */
export const MOST_GROWTH = 64 * MIB;

/** Starts transfer-server.mjs; `stop` ends it. */
export async function transferServer(node = process.execPath) {
  const child = launch(['--expose-gc', SERVER], { file: node });
  const closed = once(child.process, 'close');
  const [line] = await Promise.race([once(child.process.stdout, 'data'), closed]);
  if (typeof line !== 'string') {
    throw new Error(`transfer-server.mjs ends: ${child.stderr()}`);
  }
  const port = Number(line.slice('listening '.length));
  const url = `http://127.0.0.1:${port}`;
  // A connection of its own, and no second one, for what is counted is connections.
  const client = new Client(url);
  const ask = async (path) => (await client.request({ method: 'GET', path })).body;
  const json = async (path) => (await ask(path)).json();
  return {
    port,
    hostname: '127.0.0.1',
    url,
    reset: () => json('/reset'),
    state: () => json('/state'),
    go: async () => (await ask('/go')).dump(),
    /** Resolves to what it has printed on stderr. */
    stop: async () => {
      await client.destroy();
      child.process.kill('SIGKILL');
      await closed;
      return child.stderr();
    },
  };
}

/**
 * Bytes by one of {@link TRANSFERS}, after a small one that brings everything
 * into memory that any needs.
 *
 * @returns what the server counted, what arrived, the growth of its memory at
 *   the peak and the duration in milliseconds
 */
export async function transfer(server, name, bytes) {
  const { path, run } = TRANSFERS[name];
  await run(server.url + path(64 * MIB), 64 * MIB);
  const before = await server.reset();
  const from = performance.now();
  const arrived = await run(server.url + path(bytes), bytes);
  const duration = performance.now() - from;
  const { peak, taken, pulled } = await server.state();
  return { arrived, counted: taken + pulled, growth: peak - before.resident, duration };
}

/** Each resolves to the bytes that have arrived, as the receiver counts them. */
export const TRANSFERS = {
  'upload by curl': { path: () => '/count', run: uploadByCurl },
  'upload by undici': { path: () => '/count', run: upload },
  'upload to a slow handler': { path: () => '/count/slowly', run: uploadByCurl },
  'download by curl': { path: (bytes) => `/produce/${bytes}`, run: downloadByCurl },
  'upload and download at once': { path: () => '/echo', run: echo },
  'download by undici': { path: (bytes) => `/produce/${bytes}`, run: download },
};

async function upload(url, bytes) {
  const response = await request(url, { method: 'POST', body: chunks(bytes) });
  return Number(await response.body.text());
}

function* chunks(bytes) {
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
  }
}

async function download(url) {
  const response = await request(url);
  return lengthOf(response.body);
}

async function lengthOf(body) {
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
  }
  return length;
}

async function echo(url, bytes) {
  const response = await request(url, { method: 'POST', body: chunks(bytes) });
  return lengthOf(response.body);
}

async function uploadByCurl(url, bytes) {
  // A length that is known, and bytes that need no disk.
  const output = await shell(
    `head -c ${bytes} /dev/zero | curl -sS --fail -X POST -H 'Content-Length: ${bytes}' -H 'Transfer-Encoding:' -T - '${url}'`,
  );
  return Number(output);
}

async function downloadByCurl(url) {
  return Number(await shell(`curl -sS --fail -o /dev/null -w '%{size_download}' '${url}'`));
}

async function shell(command) {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) {
    throw new Error(`exit code ${code}: ${command}`);
  }
  return output;
}
