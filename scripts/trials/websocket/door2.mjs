// Programs of others over `reactor-rs/ws`, whose frames are the engine's: they are given its
// WebSocketServer in the place of that of `ws`. The clients are those of `ws`. And the cases of the
// Autobahn suite against a server that echoes.
//
//   node scripts/trials/websocket/door2.mjs [name …]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { finish, program, tally } from '../lib.mjs';
import { PACKAGES, runPrograms } from './programs.mjs';
import { scratch } from './scratch.mjs';

const ALL = ['ws', 'socket-io', 'http-proxy', 'trpc', 'graphql-ws', 'hono', 'y-websocket'];

const asked = process.argv.slice(2);
const wanted = (names) =>
  asked.length === 0 ? names : names.filter((each) => asked.includes(each));
const chromium = program('chromium');
const folder = await scratch(PACKAGES);
if (folder !== null) {
  await runPrograms(folder, 'door2', wanted(ALL), chromium);
  await runPrograms(folder, 'both', wanted(['socket-io', 'hono']), chromium);
  if (wanted(['autobahn']).length > 0) {
    await autobahn(folder);
  }
}
finish();

async function autobahn(folder) {
  console.log('# door2: autobahn');
  const server = spawn(process.execPath, [join(folder, 'main.mjs'), 'door2', 'autobahn'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface({ input: server.stdout }), 'line');
  const url = `ws://127.0.0.1:${line.split(' ')[1]}/`;
  const script = fileURLToPath(new URL('autobahn.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, '--url', url], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  tally[code === 0 ? 'passed' : 'failed']++;
  server.stdin.end();
  await once(server, 'exit');
}
