// `node scripts/imports.mjs`, a step of `npm test`: who imports whom. The table below is the map
// of ts/; imports/rust.mjs has those of the crates. An import against them fails, and so does any
// circle, of types too: what is only a type today is a value tomorrow, and a reader has to know
// both files either way.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { circlesOf, shownCircle } from './imports/circles.mjs';
import { faultsOfCrate, PROTO, SERVER, TLS } from './imports/rust.mjs';
import { ROOT } from './setup.mjs';

/**
 * One import of a file.
 * @typedef {object} Import
 * @property {number} line from 1
 * @property {string} written as the source has it
 * @property {string} file that it leads to, below the root
 */

/**
 * Sources that import each other.
 * @typedef {object} Layout
 * @property {string} root their folder
 * @property {RegExp} files the names of those that count, below the root
 * @property {Readonly<Record<string, readonly string[]>>} mayImport what each module may
 *   import. A module is a folder of the root, or a file there (without its ending).
 * @property {(text: string, file: string, all: readonly string[]) => Import[]} read what a
 *   file imports of the same layout
 * @property {readonly import('./imports/rust.mjs').Row[]} [rows] what is in the modules, the
 *   lowest first, for ARCHITECTURE.md
 */

/** @type {Layout} */
export const TYPESCRIPT = {
  root: 'ts',
  files: /\.c?ts$/,
  mayImport: {
    // Without anything below them.
    bindings: [],
    errors: [],
    here: [],
    types: [],
    // Topics across processes.
    pubsub: ['errors', 'types'],
    redis: ['errors', 'pubsub', 'types'],
    nats: ['errors', 'pubsub', 'types'],
    // The engine, the standard's classes, and what a lane makes of both.
    binding: ['bindings', 'errors', 'here'],
    fetch: ['binding', 'errors', 'types'],
    proxy: ['fetch', 'types'],
    lane: ['errors', 'fetch', 'proxy'],
    websocket: ['errors', 'fetch', 'lane', 'pubsub', 'types'],
    hono: ['errors', 'types'],
    // What users give, and what they get.
    options: ['binding', 'errors', 'fetch', 'lane', 'proxy', 'pubsub', 'types', 'websocket'],
    // Primary processes of node:cluster, and process managers.
    cluster: ['binding', 'errors'],
    server: [
      'binding',
      'cluster',
      'errors',
      'fetch',
      'lane',
      'options',
      'pubsub',
      'types',
      'websocket',
    ],
    threads: [
      'binding',
      'errors',
      'fetch',
      'here',
      'lane',
      'options',
      'pubsub',
      'server',
      'types',
      'websocket',
    ],
    bench: ['binding', 'errors', 'fetch', 'options', 'types'],
    serve: [
      'binding',
      'errors',
      'fetch',
      'lane',
      'options',
      'pubsub',
      'server',
      'threads',
      'types',
      'websocket',
    ],
    node: ['binding', 'cluster', 'errors', 'fetch', 'lane', 'options', 'serve', 'types'],
    ws: ['binding', 'errors', 'lane', 'node', 'websocket'],
    // Only for `serve --watch`.
    watch: ['errors', 'fetch', 'lane', 'options', 'server', 'threads', 'types'],
    cli: [
      'bench',
      'binding',
      'cluster',
      'errors',
      'fetch',
      'options',
      'serve',
      'server',
      'threads',
      'types',
      'watch',
    ],
    // Where programs, threads and Node's `--import` come in.
    index: ['bench', 'binding', 'errors', 'fetch', 'serve', 'types'],
    register: ['fetch'],
    thread: [
      'binding',
      'errors',
      'fetch',
      'lane',
      'options',
      'proxy',
      'pubsub',
      'threads',
      'websocket',
    ],
  },
  read: importsOfTypeScript,
  rows: [
    {
      modules: ['bindings', 'here'],
      holds: 'names of all native bindings, and where this file is; read by bundlers',
    },
    { modules: ['errors'], holds: 'error codes, and a value in a message' },
    { modules: ['types'], holds: 'the public types: options, handler, routes, server, stats' },
    {
      modules: ['pubsub', 'redis', 'nats'],
      holds: 'topics at a broker: envelope, backlog, gaps; over the clients of programs',
    },
    { modules: ['binding'], holds: 'loads the native binding; platform, cores, version' },
    {
      modules: ['fetch'],
      holds: "Request, Response, Headers, bodies: ours, Node's own, others'; knows no lane",
    },
    { modules: ['proxy'], holds: "what trusted proxies say of a request's origin" },
    {
      modules: ['lane'],
      holds: 'the JavaScript end of a lane: events in, handlers, replies out, in batches',
    },
    {
      modules: ['websocket'],
      holds: "WebSockets over a lane: connections, topics, Bun's handlers, async iterables",
    },
    { modules: ['hono'], holds: "`reactor-rs/hono`: Hono's WebSocket helper" },
    { modules: ['options'], holds: 'the table of options; rules, routes, names of other servers' },
    {
      modules: ['cluster', 'server'],
      holds: 'a running server: start, stop, signals, node:cluster, handlers on the calling thread',
    },
    { modules: ['threads'], holds: 'handlers of a module on JavaScript threads' },
    { modules: ['bench'], holds: 'the load client for programs' },
    { modules: ['serve'], holds: 'puts options, server and threads together' },
    { modules: ['node'], holds: "`reactor-rs/node`: Node's server classes over this engine" },
    { modules: ['ws'], holds: "`reactor-rs/ws`: ws's servers and sockets over this engine" },
    {
      modules: ['watch'],
      holds: '`serve --watch`: watches files, loads the module anew, shows its errors',
    },
    { modules: ['cli'], holds: 'the command' },
    {
      modules: ['index', 'register', 'thread'],
      holds: 'entry points: the package, `--import`, a JavaScript thread',
    },
  ],
};

export const LAYOUTS = [TYPESCRIPT];
export const CRATES = [PROTO, TLS, SERVER];

/**
 * What is wrong with the imports of a layout, a line each.
 * @param {Layout} layout
 * @param {string} [top] the folder that its root is in
 * @returns {string[]}
 */
export function faultsOf(layout, top = ROOT) {
  const { root, mayImport, read } = layout;
  const files = filesOf(layout, top);
  /** @type {Map<string, Import[]>} */
  const graph = new Map();
  for (const file of files) {
    const text = readFileSync(join(top, root, file), 'utf8');
    graph.set(
      file,
      read(text, file, files).filter((each) => each.file !== file),
    );
  }
  return [
    ...faultsOfTable(mayImport, files),
    ...faultsOfRows(layout),
    ...faultsOfArrows(layout, graph),
    ...circlesOf(graph, (file) => graph.get(file).map((each) => each.file)).map(
      (circle) => `${root}: files import each other in a circle: ${shownCircle(circle, graph)}`,
    ),
    ...circlesOf(new Map(Object.entries(mayImport)), (module) => mayImport[module] ?? []).map(
      (circle) => `${root}: the table lets modules import in a circle: ${circle.join(' → ')}`,
    ),
  ];
}

/** @returns {string[]} */
function filesOf({ root, files }, top) {
  return readdirSync(join(top, root), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && files.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .map((path) => path.slice(join(top, root).length + 1))
    .sort();
}

/** The table names every module there is, and no other. */
function faultsOfTable(mayImport, files) {
  const modules = new Set(files.map(moduleOf));
  const stray = [...modules].filter((name) => !Object.hasOwn(mayImport, name));
  const named = new Set(Object.entries(mayImport).flatMap(([name, others]) => [name, ...others]));
  return [
    ...stray.map((name) => `scripts/imports.mjs: the table has no module "${name}"; add it`),
    ...[...named]
      .filter((name) => !modules.has(name))
      .map((name) => `scripts/imports.mjs: there is no module "${name}"; take it out`),
  ];
}

/** The rows, where there are any, name each module of the table once. */
function faultsOfRows({ mayImport, rows = [] }) {
  const named = rows.flatMap(({ modules }) => modules);
  const all = rows.length === 0 ? [] : Object.keys(mayImport);
  return [
    ...all
      .filter((name) => !named.includes(name))
      .map((name) => `scripts/imports.mjs: no row tells what is in "${name}"; add it`),
    ...named
      .filter((name, at) => !all.includes(name) || named.indexOf(name) !== at)
      .map((name) => `scripts/imports.mjs: a row names "${name}" in vain; take it out`),
  ];
}

function faultsOfArrows({ root, mayImport }, graph) {
  const faults = [];
  const used = new Set();
  for (const [file, imports] of graph) {
    const from = moduleOf(file);
    const allowed = mayImport[from] ?? [];
    for (const { line, written, file: target } of imports) {
      const to = moduleOf(target);
      used.add(`${from} ${to}`);
      if (to !== from && !allowed.includes(to)) {
        const may = allowed.length === 0 ? 'nothing' : allowed.join(', ');
        faults.push(`${root}/${file}:${line} imports ${written}: ${from} may import ${may}`);
      }
    }
  }
  for (const [from, allowed] of Object.entries(mayImport)) {
    for (const to of allowed.filter((name) => !used.has(`${from} ${name}`))) {
      faults.push(
        `scripts/imports.mjs: ${from} may import ${to}, but no file does; take it out of the table`,
      );
    }
  }
  return faults;
}

/** The folder of the root that a file is in, or its own name. */
function moduleOf(file) {
  const [first] = file.split('/');
  return first === file ? file.slice(0, file.indexOf('.')) : first;
}

/**
 * The statements `import` and `export … from`, and `import('…')`, `require('…')` and
 * `typeof import('…')`, outside of comments. `#here` is a name of package.json.
 * @returns {Import[]}
 */
function importsOfTypeScript(text, file, all) {
  const found = [];
  const statement =
    /^(?:import|export)\b[^;'"]*?\bfrom\s*'([^']+)'|^import\s*'([^']+)'|\b(?:import|require)\(\s*'([^']+)'\s*\)/gm;
  for (const match of text.matchAll(statement)) {
    const written = match[1] ?? match[2] ?? match[3];
    const before = text.slice(0, match.index);
    const isInComment = /^\s*(?:\*|\/\/|\/\*)/.test(before.slice(before.lastIndexOf('\n') + 1));
    const target = isInComment ? undefined : targetOf(written, file, all);
    if (target !== undefined) {
      // The name may stand lines below the beginning of the statement.
      const line = (before + match[0]).split('\n').length;
      found.push({ line, written, file: target });
    }
  }
  return found;
}

/** The file that a specifier leads to; `undefined` outside of the layout. */
function targetOf(written, file, all) {
  const path = written === '#here' ? 'here.js' : posix.join(posix.dirname(file), written);
  if (written !== '#here' && !written.startsWith('.')) {
    return undefined;
  }
  const source = path.replace(/\.js$/, '.ts').replace(/\.cjs$/, '.cts');
  return all.includes(source) ? source : undefined;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const faults = [
    ...LAYOUTS.flatMap((layout) => faultsOf(layout)),
    ...CRATES.flatMap((crate) => faultsOfCrate(crate, ROOT)),
  ];
  for (const { root, known } of CRATES) {
    for (const [from, to] of known) {
      process.stdout.write(`${root}: ${from} → ${to} is wrong, and known\n`);
    }
  }
  for (const fault of faults) {
    process.stdout.write(`${fault}\n`);
  }
  process.exitCode = faults.length > 0 ? 1 : 0;
}
