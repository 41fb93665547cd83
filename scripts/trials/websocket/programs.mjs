// The programs of others that the doors are tried with.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { tally } from '../tap.mjs';

export const PACKAGES = {
  '@fastify/websocket': '11.3.7',
  '@hono/node-server': '2.1.9',
  '@trpc/client': '11.25.2',
  '@trpc/server': '11.25.2',
  express: '5.3.0',
  'express-ws': '5.0.2',
  fastify: '5.12.8',
  graphql: '16.15.0',
  'graphql-ws': '6.4.2',
  hono: '4.13.19',
  'http-proxy': '1.18.1',
  'socket.io': '4.8.4',
  'socket.io-client': '4.8.4',
  vite: '8.4.0',
  ws: '8.23.0',
  // The last version that has its server.
  'y-websocket': '2.1.0',
  yjs: '13.6.33',
};

/** Next's, which are large. */
export const NEXT = { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1', ws: '8.23.0' };

/** Milliseconds after which a program hangs. */
const HANGS = 180_000;

/**
 * Runs each in a process of its own.
 * @param {string} folder that they are in
 * @param {string} door whose server and frames they use
 * @param {readonly string[]} names
 * @param {string | null} chromium its path
 */
export async function runPrograms(folder, door, names, chromium) {
  for (const name of names) {
    console.log(`# ${door}: ${name}`);
    const isRegistered = door === 'register' || door === 'both';
    const flags = isRegistered ? ['--import', 'reactor-rs/node/register'] : [];
    const child = spawn(process.execPath, [...flags, join(folder, 'main.mjs'), door, name], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: HANGS,
      env: { ...process.env, CHROMIUM: chromium ?? '', NEXT_TELEMETRY_DISABLED: '1' },
    });
    const [code, signal] = await once(child, 'exit');
    if (code === 0) {
      tally.passed++;
    } else {
      tally.failed++;
      console.log(`not ok - ${name} ended with ${signal ?? code}`);
    }
  }
}

/**
 * Runs the trial of topics over a broker in a process of its own.
 * @param {string} folder that it is in
 * @param {import('./brokers.mjs').Broker} broker
 * @param {string} client whose connections it uses
 * @param {number} messages
 */
export async function runPubSub(folder, broker, client, messages) {
  console.log(`# ${client}`);
  const child = spawn(
    process.execPath,
    [join(folder, 'pubsub.mjs'), client, `${broker.port}`, `${messages}`],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], timeout: HANGS },
  );
  child.on('message', async (what) => {
    await (what === 'kill' ? broker.kill() : broker.start());
    child.send('done');
  });
  const [code, signal] = await once(child, 'exit');
  if (code === 0) {
    tally.passed++;
  } else {
    tally.failed++;
    console.log(`not ok - ${client} ended with ${signal ?? code}`);
  }
}
