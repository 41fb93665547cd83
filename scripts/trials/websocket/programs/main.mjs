// Runs one program: `node main.mjs DOOR NAME`.

import { tally } from './tap.mjs';

const [door, name] = process.argv.slice(2);

/**
 * Where servers and frames come from. The first tells whether a program itself is at fault. With
 * `register` and `both` there is `reactor-rs/node/register`.
 */
const DOORS = {
  node: ['node:http', 'ws'],
  register: ['node:http', 'ws'],
  door1: ['reactor-rs/node', 'ws'],
  door2: ['reactor-rs/node', 'reactor-rs/ws'],
  both: ['node:http', 'reactor-rs/ws'],
};

const [servers, frames] = DOORS[door];
const { createServer } = await import(servers);
const { WebSocketServer } = await import(frames);
const { default: trial } = await import(`./${name}.mjs`);
await trial({ createServer, WebSocketServer });
// Programs that leave something open are ended here.
process.exit(tally.failed > 0 ? 1 : 0);
