// The servers that are compared, by name. A command is run without a shell, from the top of the
// repository, with `{port}` filled in. Add an entry to add a contender; one marked `extra` takes
// part only when --only names it.
//
// A contender:
//   asks      the questions that it can be asked, a list or ALL
//   command   (question, port of the database) → the words of its command
//   missing   () → why it cannot take part here, or null
//   cargo     whether it is the example server
//   isBuilt   whether it is the built command line
//   ownHead   whether its answer's head is not as long as ours
//   groups    the only groups of scenarios that it takes part in, where it is not all
//   http2     whether it speaks HTTP/2, with TLS and without, where HTTP2 is in its environment
//   tls       (its certificate and key, two files) → further words of its command; they are in its
//             environment too. Only who has it takes part over TLS.
//   before    (folder) → its command in another checkout of this project, if it is part of it

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { FOLDER } from '../contenders/folder.mjs';
import { control } from './paths.mjs';
import { questions, runsFor } from './questions.mjs';

const ALL = null;

/** What the environment says is enough. */
const FROM_ENVIRONMENT = () => [];

/** What needs a framework or a listener is asked of node:http and reactor-rs/node alone. */
const LISTENERS = ['listener', 'express', 'fastify'];

/** Deno's WebSockets do not compress, and a client has its answer before the handler knows of it. */
const DENO_LACKS = ['websocket-deflate', 'websocket-broadcast'];

/** What is answered with a file. */
const FILES = Object.keys(questions).filter((name) => runsFor(name) === 'files');

/** What Fastify and Hono have a route for. */
const ROUTES = ['hello', 'api', 'json-12k'];

/** Other JavaScript runtimes, as `npm ci --prefix bench/peers` brings them. */
const BUN = 'bench/peers/node_modules/@oven/bun-linux-x64/bin/bun';
const DENO = 'bench/peers/node_modules/@deno/linux-x64-glibc/deno';

/** The Node that runs the bench, as it is where no other was asked for. */
const OWN = { major: process.versions.node.split('.')[0], path: 'node' };

/** The example server of crates/server, as cargo builds it. */
export function serve(profile, ...args) {
  return [`target/${profile}/examples/serve`, '-p', '{port}', ...args];
}

/**
 * @param profile the cargo profile of the example server
 * @param nodes the versions of Node, the newest last: { major, path }
 * @param older further ones for uWebSockets.js, which has binaries for some only
 */
export function contenders(profile, nodes = [OWN], older = []) {
  const native = (more, ...args) => ({
    asks: ['hello'],
    command: () => serve(profile, ...args),
    before: (folder) => () => inFolder(folder, serve(profile, ...args)),
    cargo: true,
    tls: ({ cert, key }) => ['--tls-cert', cert, '--tls-key', key],
    http2: true,
    ...more,
  });
  const newest = nodes.at(-1);
  return {
    control: { asks: ['hello'], command: () => [control, '{port}'], neverCloses: true },
    inline: native({ asks: ['hello', 'large-1m'] }, '-i', '1', '-w', '1', '--inline'),
    worker: native({ groups: ['http2'] }, '-i', '1', '-w', '1'),
    'worker-i1w1': native({ extra: true }, '-i', '1', '-w', '1'),
    'worker-i4w8': native({ extra: true }, '-i', '4', '-w', '8'),
    'inline-i4w8': native({ extra: true }, '-i', '4', '-w', '8', '--inline'),
    'worker-i2w2': native({ extra: true }, '-i', '2', '-w', '2'),
    'per-loop-i4w8': native({ extra: true }, '-i', '4', '-w', '8', '--accept', 'per-loop'),
    nginx: {
      ...program('nginx', 'nginx-light'),
      asks: ['hello', 'large-1m', ...FILES],
      tls: FROM_ENVIRONMENT,
      http2: true,
    },
    h2o: { ...program('h2o', 'h2o'), tls: FROM_ENVIRONMENT, http2: true },
    folder: {
      asks: FILES,
      // One loop, as the others have one worker.
      command: () => [
        ...[newest.path, 'dist/cli/bin.js', 'serve', FOLDER, '--host', '127.0.0.1'],
        ...['-p', '{port}', '-i', '1'],
      ],
      before: (folder) => () => [
        ...[newest.path, `${folder}/dist/cli/bin.js`, 'serve', FOLDER, '--host', '127.0.0.1'],
        ...['-p', '{port}', '-i', '1'],
      ],
      ownHead: true,
      isBuilt: true,
    },
    ...Object.fromEntries(
      ['sirv', 'serve-static'].map((name) => [
        `${name}-${newest.major}`,
        {
          asks: FILES,
          command: () => [newest.path, 'bench/contenders/files.mjs', '{port}', name, FOLDER],
          ownHead: true,
        },
      ]),
    ),
    ...each(nodes, 'reactor', reactor),
    ...each(nodes, 'face', (node) => listener(node, 'face')),
    ...each(nodes, 'node', (node) => listener(node, 'http')),
    ...each(nodes, 'node-compat', compat),
    ...each([...older, ...nodes], 'uws', uws),
    bun: runtime(BUN, []),
    deno: runtime(DENO, ['run', '--allow-all']),
    [`fastify-${newest.major}`]: {
      asks: ROUTES,
      command: () => [newest.path, 'bench/contenders/node.mjs', '{port}', 'fastify', 'http'],
      ownHead: true,
    },
    [`hono-${newest.major}`]: {
      asks: ROUTES,
      command: () => [newest.path, 'bench/contenders/hono-node.mjs', '{port}'],
      ownHead: true,
    },
    [`hono-reactor-${newest.major}`]: {
      ...reactor(newest),
      asks: ROUTES,
      http2: false,
      command: () => reactor(newest).command('hono'),
      before: (folder) => () => reactor(newest).before(folder)('hono'),
    },
    ...bareStreams(newest),
  };
}

function each(nodes, kind, make) {
  return Object.fromEntries(nodes.map((node) => [`${kind}-${node.major}`, make(node)]));
}

function reactor({ path }) {
  const command =
    (folder) =>
    (question, database = '') => {
      const runs = question === 'hono' ? question : runsFor(question);
      return [path, 'bench/contenders/reactor.mjs', '{port}', runs, folder, database];
    };
  return {
    asks: ALL,
    lacks: LISTENERS,
    command: command('.'),
    before: command,
    ownHead: true,
    tls: FROM_ENVIRONMENT,
    http2: true,
  };
}

function listener({ path }, kind) {
  const command =
    (folder) =>
    (question, database = '') => {
      const runs = runsFor(question);
      return [path, 'bench/contenders/node.mjs', '{port}', runs, kind, folder, database];
    };
  const own = kind === 'face' ? { before: command } : { tls: FROM_ENVIRONMENT, http2: true };
  return { asks: ALL, command: command('.'), ...own, ownHead: true };
}

/** A (req, res) listener on node:http2. What is called `node` there has its streams alone. */
function compat(node) {
  return { ...listener(node, 'compat'), groups: ['http2'] };
}

function uws({ major, path }) {
  return {
    asks: ALL,
    lacks: LISTENERS,
    command: (question, database = '') => {
      return [path, 'bench/contenders/uws.mjs', '{port}', runsFor(question), database];
    },
    ownHead: true,
    tls: FROM_ENVIRONMENT,
    // There is no binary for every Node, and some need a newer glibc.
    missing() {
      const load = ['-e', "require('./bench/peers/node_modules/uwebsockets')"];
      const { status, stderr } = spawnSync(path, load, { encoding: 'utf8' });
      if (status === 0) return null;
      const why = /GLIBC_[\d.]+' not found/.exec(stderr)?.[0].replace("'", '');
      return `uWebSockets.js does not load in Node ${major}: ${why ?? 'it has no binary for it'}`;
    },
  };
}

function runtime(path, args) {
  const isDeno = args.length > 0;
  const script = `bench/contenders/${isDeno ? 'deno' : 'bun'}.mjs`;
  return {
    asks: ALL,
    lacks: isDeno ? [...LISTENERS, ...DENO_LACKS] : LISTENERS,
    command: (question, database = '') => {
      return [path, ...args, script, '{port}', runsFor(question), database];
    },
    ownHead: true,
    tls: FROM_ENVIRONMENT,
    http2: true,
    missing: () => (existsSync(path) ? null : `${path} is missing`),
  };
}

/** A server that the system has. */
function program(name, debian) {
  return {
    asks: ['hello', ...FILES],
    command: (question) =>
      FILES.includes(question)
        ? [`bench/contenders/${name}-files.sh`, '{port}', FOLDER]
        : [`bench/contenders/${name}.sh`, '{port}'],
    ownHead: true,
    missing: () => absence(name, debian),
  };
}

/** Reads our streams in a loop without a server: what a stream costs at least. */
function bareStreams({ major, path }) {
  const command = (question, seconds) => {
    return [path, 'bench/contenders/bare-stream.mjs', question, String(seconds)];
  };
  return { [`bare-${major}`]: { asks: ['stream-start', 'stream-pull'], command, isBare: true } };
}

/** Why a program of the system cannot be used, or null. */
export function absence(name, debian) {
  const { error } = spawnSync(name, ['--version'], { stdio: 'ignore' });
  return error?.code === 'ENOENT'
    ? `${name} is missing (Debian, Ubuntu: apt-get install ${debian})`
    : null;
}

/** Whether a contender can be asked a question at all. */
export function answers({ asks, lacks = [] }, question) {
  return (asks === ALL || asks.includes(question)) && !lacks.includes(question);
}

/**
 * The same contenders in another checkout of this project, `NAME@before` each: what a change
 * costs shows in one run with both. Those that are no part of the project are left out. Handlers
 * are this checkout's; only the build is the other's.
 *
 * @param chosen [name, contender] pairs
 * @param folder the other checkout, built
 */
export function before(chosen, folder) {
  return chosen
    .filter(([, contender]) => contender.before)
    .map(([name, contender]) => {
      const command = contender.before(folder);
      return [`${name}@before`, { ...contender, command, cargo: false }];
    });
}

function inFolder(folder, [program, ...args]) {
  return [`${folder}/${program}`, ...args];
}
