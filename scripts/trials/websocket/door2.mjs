// Programs of others over `reactor-rs/ws`, whose frames are the engine's: they are given its
// WebSocketServer in the place of that of `ws`. The clients are those of `ws`.
//
//   node scripts/trials/websocket/door2.mjs [name …]

import { finish, program } from '../lib.mjs';
import { PACKAGES, runPrograms } from './programs.mjs';
import { scratch } from './scratch.mjs';

const ALL = ['ws', 'socket-io', 'http-proxy', 'trpc', 'graphql-ws', 'hono', 'y-websocket'];

const asked = process.argv.slice(2);
const names = asked.length === 0 ? ALL : ALL.filter((name) => asked.includes(name));
const chromium = program('chromium');
const folder = await scratch(PACKAGES);
if (folder !== null) {
  await runPrograms(folder, 'door2', names, chromium);
}
finish();
