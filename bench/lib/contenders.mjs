// The servers that are compared. `{port}` is filled in; a command is run without a
// shell, from the top of the repository. Add a line to add a contender; one marked
// `extra` takes part only when --only names it.

import { control } from './paths.mjs';

/** Every contender must answer this, or it is not timed. */
export const body = 'Hello, World!';

/** The example server of crates/server, as cargo builds it. */
export function serve(profile, ...args) {
  return [`target/${profile}/examples/serve`, '-p', '{port}', ...args];
}

/** @param profile the cargo profile of the example server */
export function contenders(profile) {
  return {
    control: { command: [control, '{port}'], path: '/' },
    inline: { command: serve(profile, '-i', '1', '-w', '1', '--inline'), path: '/', cargo: true },
    'worker-i1w1': { command: serve(profile, '-i', '1', '-w', '1'), path: '/', cargo: true },
    'worker-i4w8': { command: serve(profile, '-i', '4', '-w', '8'), path: '/', cargo: true },
    'inline-i4w8': {
      command: serve(profile, '-i', '4', '-w', '8', '--inline'),
      path: '/',
      cargo: true,
      extra: true,
    },
    'worker-i2w2': {
      command: serve(profile, '-i', '2', '-w', '2'),
      path: '/',
      cargo: true,
      extra: true,
    },
    'per-loop-i4w8': {
      command: serve(profile, '-i', '4', '-w', '8', '--accept', 'per-loop'),
      path: '/',
      cargo: true,
      extra: true,
    },
    'node-http': javascript(['node', 'bench/contenders/node-http.mjs', '{port}']),
    'js-reactor': javascript(['node', 'bench/contenders/reactor.mjs', '{port}', 'hello']),
    'js-bun': javascript([peers.bun, 'bench/contenders/bun.mjs', '{port}', 'hello']),
    'js-deno': javascript([
      ...[peers.deno, 'run', '--allow-net', '--allow-read'],
      ...['bench/contenders/deno.mjs', '{port}', 'hello'],
    ]),
    'js-fastify': javascript(['node', 'bench/contenders/fastify.mjs', '{port}']),
    'hono-reactor': javascript(['node', 'bench/contenders/reactor.mjs', '{port}', 'hono']),
    'hono-node': javascript(['node', 'bench/contenders/hono-node.mjs', '{port}']),
  };
}

/**
 * The programs of other JavaScript runtimes, as `npm install --prefix bench/peers`
 * brings them.
 */
const peers = {
  bun: 'bench/peers/node_modules/@oven/bun-linux-x64/bin/bun',
  deno: 'bench/peers/node_modules/@deno/linux-x64-glibc/deno',
};

/** Takes part only by name, and sends the head that its runtime makes. */
function javascript(command) {
  return { command, path: '/', extra: true, ownHead: true };
}
