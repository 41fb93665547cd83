// Programs of others, unchanged, over `reactor-rs/node`: its servers emit 'upgrade', and the frames
// are those programs' own. Some of them once more over `reactor-rs/node/register`, with servers of
// `node:http`.
//
//   node scripts/trials/websocket/door1.mjs [name …]

import { finish, program } from '../lib.mjs';
import { NEXT, PACKAGES, runPrograms } from './programs.mjs';
import { scratch } from './scratch.mjs';

const SMALL = [
  ...['ws', 'socket-io', 'express-ws', 'fastify', 'http-proxy', 'trpc', 'graphql-ws', 'hono'],
  ...['y-websocket', 'vite'],
];

const asked = process.argv.slice(2);
const chromium = program('chromium');
for (const [packages, door, all] of [
  [PACKAGES, 'door1', SMALL],
  [PACKAGES, 'register', ['ws', 'socket-io', 'express-ws', 'fastify', 'http-proxy', 'vite']],
  [NEXT, 'door1', ['next']],
]) {
  const names = asked.length === 0 ? all : all.filter((name) => asked.includes(name));
  const folder = names.length === 0 ? null : await scratch(packages);
  if (folder !== null) {
    await runPrograms(folder, door, names, chromium);
  }
}
finish();
