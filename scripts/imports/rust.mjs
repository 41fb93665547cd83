// Who imports whom inside a Rust crate. Cargo keeps crates apart; between the modules of one
// crate the compiler allows everything, circles too.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { circlesOf, shownCircle } from './circles.mjs';

/**
 * One row of a crate's map.
 * @typedef {object} Row
 * @property {readonly string[]} modules paths below the root: a file without its ending, or a
 *   folder with all that no other row names
 * @property {string} holds what is in there, for ARCHITECTURE.md
 */

/**
 * The modules of a crate in their order.
 * @typedef {object} Crate
 * @property {string} root the folder of its sources
 * @property {readonly Row[]} rows the lowest first: a row imports only from itself and from
 *   those before it
 * @property {readonly (readonly [string, string])[]} known imports that are still wrong: from
 *   which file to which. One that is no longer there, or no longer wrong, is a fault.
 */

/** @type {Crate} */
export const SERVER = {
  root: 'crates/server/src',
  rows: [
    {
      modules: [
        'observe/close_reason',
        'observe/counter',
        'observe/counters',
        'observe/health',
        'observe/histogram',
        'observe/notice',
        'observe/routes',
        'observe/usage',
        'observe/watch',
      ],
      holds: 'counters',
    },
    {
      modules: ['event_loop/clock', 'event_loop/token', 'event_loop/wake_flag', 'event_loop/wheel'],
      holds: 'time of a turn, timer wheel, epoll tokens, wake flags',
    },
    { modules: ['dispatch/files/mime'], holds: 'types of files, and which of them compress' },
    { modules: ['exchange'], holds: 'one request and its answer, whatever the protocol' },
    {
      modules: [
        'conn/buffers',
        'conn/flushed',
        'conn/handshake',
        'conn/link',
        'conn/out',
        'conn/pieces',
        'conn/step',
        'conn/timer',
        'conn/tls_link',
        'conn/transport',
      ],
      holds: 'link, output',
    },
    {
      modules: ['observe/access_log', 'observe/node', 'observe/observer', 'observe/stats'],
      holds: 'each request from head to last byte; its log; statistics',
    },
    { modules: ['dispatch/files'], holds: 'static files: from a path to open files' },
    {
      modules: ['dispatch/app', 'dispatch/builtin', 'dispatch/secured'],
      holds: 'routes and their targets; what answers when nothing was given',
    },
    {
      modules: ['event_loop/scratch', 'event_loop/tuning'],
      holds: 'limits and timeouts of a loop; the buffer that it reads into',
    },
    { modules: ['dispatch/topics'], holds: 'topics, their subscribers by loop, what is published' },
    {
      modules: ['dispatch/lane/event', 'dispatch/lane/exchange'],
      holds: 'what a loop and a handler thread tell each other',
    },
    {
      modules: ['dispatch/reply_box', 'dispatch/name_question'],
      holds: 'where workers and lanes put replies for a loop',
    },
    {
      modules: ['dispatch/lane'],
      holds: 'lanes: the channel that carries events to one handler thread and replies back',
    },
    { modules: ['dispatch/worker'], holds: 'the worker threads and their bounded queue' },
    {
      modules: ['event_loop/inbox', 'conn/entrance'],
      holds: 'what other threads hand to a loop; TLS and redirects of a listener',
    },
    { modules: ['conn/core'], holds: 'what every connection has, whatever its protocol' },
    {
      modules: [
        'http1/shared',
        'http2/content',
        'http2/shared',
        'http2/stream',
        'http2/streams',
        'websocket/shared',
      ],
      holds: 'what a loop shares',
    },
    {
      modules: ['event_loop/services'],
      holds: 'what a loop offers its connections: table, tasks, lanes, deadlines, observer',
    },
    {
      modules: ['http1', 'http2', 'pipe', 'websocket'],
      holds: 'the states of a connection: HTTP/1, HTTP/2, WebSocket, raw bytes',
    },
    { modules: ['conn'], holds: 'a connection and its protocol' },
    {
      modules: ['event_loop/reactor'],
      holds: 'the connections of one loop; knows no thread and no epoll',
    },
    {
      modules: ['accept'],
      holds: 'listeners, the limit on connections, refusals, the acceptor thread',
    },
    {
      modules: ['event_loop/turn', 'event_loop/ownership'],
      holds: 'the turn of a loop, and which thread drives it',
    },
    { modules: ['server'], holds: 'the face: configuration, assembly, stop, watchers, errors' },
    {
      modules: ['sim'],
      holds: 'for tests: a loop with scripted clients, workers and handler threads, by seeds',
    },
  ],
  known: [],
};

/** @type {Crate} */
export const PROTO = {
  root: 'crates/proto/src',
  rows: [
    { modules: ['semantics'], holds: 'what HTTP means, in every version' },
    { modules: ['h1'], holds: 'how HTTP/1 writes it' },
    { modules: ['h2'], holds: 'HTTP/2: frames, field blocks, settings, windows' },
    { modules: ['ws'], holds: 'WebSocket: handshake, frames, UTF-8, compression' },
    {
      modules: ['opening', 'proxy_protocol'],
      holds: 'which protocol a connection begins with; what a balancer says before it',
    },
  ],
  known: [],
};

/** @type {Crate} */
export const TLS = {
  root: 'crates/tls/src',
  rows: [
    {
      modules: ['clock', 'der', 'error', 'names', 'provider', 'wire'],
      holds: 'time, DER, errors, names of servers, the cryptography, the outside of records',
    },
    {
      modules: ['certificate', 'hello', 'hybrid'],
      holds: 'what certificates and ClientHellos say, key exchange with ML-KEM',
    },
    { modules: ['resumption'], holds: 'tickets and cached sessions' },
    { modules: ['config'], holds: 'certificates, ciphers and rules for clients, by name' },
    { modules: ['facts'], holds: 'what a session has agreed on' },
    { modules: ['self_signed'], holds: 'certificates for development' },
    { modules: ['session'], holds: 'one connection: ciphertext in, plaintext out' },
    { modules: ['client'], holds: "the load client's side" },
  ],
  known: [],
};

/** The maps of layouts as one table: a line for each root, then a line a row, the highest first. */
export function mapOf(...layouts) {
  const shown = layouts.flatMap(({ root, rows }) => [
    `| **${root}/** | |`,
    ...rows.map(({ modules, holds }) => `| ${shownModules(modules)} | ${holds} |`).reverse(),
  ]);
  return ['| modules | hold |', '| --- | --- |', ...shown].join('\n');
}

/** `a/{b, c}` for those of one folder. */
function shownModules(modules) {
  const folders = new Map();
  for (const path of modules) {
    const at = path.lastIndexOf('/');
    const folder = path.slice(0, at + 1);
    folders.set(folder, [...(folders.get(folder) ?? []), path.slice(at + 1)]);
  }
  return [...folders]
    .map(([folder, names]) =>
      names.length > 1 && folder !== ''
        ? `${folder}{${names.join(', ')}}`
        : folder + names.join('`, `'),
    )
    .map((shown) => `\`${shown}\``)
    .join(', ');
}

/**
 * What is wrong with the imports of a crate, a line each.
 * @param {Crate} crate
 * @param {string} top the folder that its root is in
 * @returns {string[]}
 */
export function faultsOfCrate(crate, top) {
  const { root, rows, known } = crate;
  const files = new Map();
  for (const file of sourcesOf(join(top, root))) {
    files.set(file, readFileSync(join(top, root, file), 'utf8'));
  }
  const graph = graphOf(files);
  const rowOf = rowsByFile(rows, [...graph.keys()]);
  const isUpward = (from, to) => rowOf.get(from) < rowOf.get(to);
  const isKnown = (from, to) => known.some(([a, b]) => a === from && b === to);
  const faults = faultsOfRows(root, rows, [...files.keys()], rowOf);

  for (const [from, imports] of graph) {
    for (const { line, written, file: to } of imports) {
      if (isUpward(from, to) && !isKnown(from, to)) {
        const [below, above] = [from, to].map((file) => nameOfRow(rows, rowOf.get(file)));
        faults.push(
          `${root}/${from}:${line} imports ${written} (${to}): "${below}" lies below "${above}"`,
        );
      }
    }
  }
  const next = (file) => [...new Set(graph.get(file).map((each) => each.file))];
  // An upward import closes circles too, and has been told.
  const rest = (file) => next(file).filter((to) => !isKnown(file, to) && !isUpward(file, to));
  for (const circle of circlesOf(graph, rest)) {
    faults.push(`${root}: files import each other in a circle: ${shownCircle(circle, graph)}`);
  }
  for (const [from, to] of known) {
    const isThere = graph.has(from) && next(from).includes(to);
    if (!isThere || !(isUpward(from, to) || reaches(to, from, next))) {
      faults.push(`${root}: ${from} → ${to} is no longer wrong; take it out of "known"`);
    }
  }
  return faults;
}

function sourcesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();
}

/** The row of each file, by its place in the list: the longest path that fits. */
function rowsByFile(rows, files) {
  const found = new Map();
  for (const file of files) {
    if (file === 'lib.rs') {
      found.set(file, rows.length);
      continue;
    }
    let longest = -1;
    for (const [at, { modules }] of rows.entries()) {
      for (const path of modules) {
        if (isBelow(file, path) && path.length > longest) {
          longest = path.length;
          found.set(file, at);
        }
      }
    }
  }
  return found;
}

function isBelow(file, path) {
  return file === `${path}.rs` || file.startsWith(`${path}/`);
}

function nameOfRow(rows, at) {
  return rows[at]?.modules.join(', ') ?? 'lib';
}

/** Each file has a row, and each path of a row has a file. */
function faultsOfRows(root, rows, files, rowOf) {
  const stray = [...rowOf.keys(), ...files].filter(
    (file) =>
      !rowOf.has(file) && !rows.some(({ modules }) => modules.some((p) => isBelow(file, p))),
  );
  const paths = rows.flatMap(({ modules }) => modules);
  return [
    ...stray
      // A folder's own file declares modules that have rows of their own.
      .filter((file) => file !== 'lib.rs' && !file.endsWith('/mod.rs'))
      .map((file) => `${root}/${file}: no row of scripts/imports/rust.mjs has it; add it`),
    ...paths
      .filter((path) => !files.some((file) => isBelow(file, path)))
      .map((path) => `${root}: there is no module "${path}"; take it out of the rows`),
  ];
}

function reaches(from, to, next) {
  const seen = new Set([from]);
  for (const node of seen) {
    if (node === to) {
      return true;
    }
    for (const other of next(node)) {
      seen.add(other);
    }
  }
  return false;
}

/**
 * What each file imports. Files that only tests have are left out, and so is what a file has
 * for tests only: both may import what they want.
 * @param {ReadonlyMap<string, string>} files
 * @returns {Map<string, { line: number, written: string, file: string }[]>}
 */
function graphOf(files) {
  const modules = new Map();
  for (const [file, text] of files) {
    modules.set(moduleOf(file).join('::'), { file, text: withoutText(text) });
  }
  const forTests = [...modules].flatMap(([module, { text }]) =>
    [...text.matchAll(/#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;/g)].map(
      ([, name]) => (module === '' ? name : `${module}::${name}`),
    ),
  );
  for (const module of modules.keys()) {
    if (forTests.some((test) => module === test || module.startsWith(`${test}::`))) {
      modules.delete(module);
    }
  }
  for (const [module, one] of modules) {
    one.path = module === '' ? [] : module.split('::');
    one.paths = pathsOf(withoutTests(one.text), one.path, modules);
  }
  const graph = new Map();
  for (const one of modules.values()) {
    const imports = one.paths.map(({ path, at, written }) => ({
      line: one.text.slice(0, at).split('\n').length,
      written,
      file: targetOf(path, modules),
    }));
    graph.set(
      one.file,
      imports.filter(({ file }) => file !== one.file),
    );
  }
  return graph;
}

/** The path of a file's module: `a/b.rs` and `a/b/mod.rs` are `a::b`. */
function moduleOf(file) {
  const parts = file.replace(/\.rs$/, '').split('/');
  return ['mod', 'lib'].includes(parts.at(-1)) ? parts.slice(0, -1) : parts;
}

/** Every path of this crate that the code has: in `use` declarations, and in the rest. */
function pathsOf(text, module, modules) {
  const found = [];
  const children = [...modules.values()]
    .map(({ file }) => moduleOf(file))
    .filter((path) => path.length === module.length + 1 && isPrefix(module, path))
    .map((path) => path.at(-1));
  const add = (parts, at, name) => {
    const path = absolute(parts, module, children);
    if (path !== undefined) {
      found.push({ path, at, written: parts.join('::'), name });
    }
  };
  const rest = text.replace(/(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);/g, (all, pub, tree, at) => {
    const start = at + all.lastIndexOf(tree);
    for (const { path, name, offset } of leavesOf(tree)) {
      add(path, start + offset, pub === undefined ? undefined : name);
    }
    return blank(all);
  });
  const starts = ['crate', 'super', 'self', ...children].join('|');
  const inline = new RegExp(`(?<![\\w:])(?:${starts})(?:\\s*::\\s*\\w+)+`, 'g');
  for (const match of rest.matchAll(inline)) {
    const parts = match[0].split('::').map((part) => part.trim());
    add(parts, match.index);
  }
  return found;
}

/** Every path in the tree of a `use`, its place there, and the name that it gets. */
function leavesOf(tree, before = [], offset = 0) {
  const leaves = [];
  let from = 0;
  let depth = 0;
  for (let at = 0; at <= tree.length; at += 1) {
    const char = tree[at];
    depth += char === '{' ? 1 : char === '}' ? -1 : 0;
    if (at < tree.length && (char !== ',' || depth > 0)) {
      continue;
    }
    const part = tree.slice(from, at);
    const group = part.indexOf('{');
    const [head, alias] = (group < 0 ? part : part.slice(0, group)).split(/\s+as\s+/);
    const path = [...before, ...head.split('::').map((each) => each.trim())].filter(Boolean);
    if (group >= 0) {
      const inner = part.slice(group + 1, part.lastIndexOf('}'));
      leaves.push(...leavesOf(inner, path, offset + from + group + 1));
    } else if (head.trim() !== '') {
      const whole = path.length > 1 && path.at(-1) === 'self' ? path.slice(0, -1) : path;
      const name = (alias ?? whole.at(-1)).trim();
      leaves.push({ path: whole, name, offset: offset + from + part.search(/\S/) });
    }
    from = at + 1;
  }
  return leaves;
}

/** A path from the top of the crate; undefined for another crate's. */
function absolute(path, module, children) {
  if (path[0] === 'crate') {
    return path.slice(1);
  }
  if (path[0] === 'self' || path[0] === 'super') {
    const ups = path.filter((part) => part === 'super').length;
    return [...module.slice(0, module.length - ups), ...path.slice(Math.max(ups, 1))];
  }
  return children.includes(path[0]) ? [...module, ...path] : undefined;
}

/** The file that has what a path names. A name that a module only re-exports is elsewhere. */
function targetOf(path, modules) {
  let length = path.length;
  while (!modules.has(path.slice(0, length).join('::'))) {
    length -= 1;
  }
  const { file, paths } = modules.get(path.slice(0, length).join('::'));
  const exported = paths.find(({ name }) => name !== undefined && name === path[length]);
  return exported === undefined
    ? file
    : targetOf([...exported.path, ...path.slice(length + 1)], modules);
}

function isPrefix(short, long) {
  return short.every((part, at) => long[at] === part);
}

/** The code without comments, strings and characters; every other character keeps its place. */
function withoutText(text) {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\bb?r(#*)"[\s\S]*?"\1|b?"(?:[^"\\]|\\[\s\S])*"|b?'(?:[^'\\\n]|\\[^\n][^'\n]*)'/g;
  return text.replace(token, blank);
}

/** The code without what is compiled for tests and models only. */
function withoutTests(text) {
  let code = text;
  const attribute = /#\[cfg\((?:all\()?(?:test|loom)\b[^\]]*\]/g;
  for (const match of text.matchAll(attribute)) {
    if (code[match.index] === '#') {
      const end = endOfItem(code, match.index + match[0].length);
      code = code.slice(0, match.index) + blank(code.slice(match.index, end)) + code.slice(end);
    }
  }
  return code;
}

/** Where the item ends that begins at `at`, after further attributes. */
function endOfItem(code, at) {
  const attributes = /^(?:\s*#\[[^\]]*\])*/.exec(code.slice(at))[0].length;
  const start = at + attributes;
  const head = /^\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:unsafe|async|const|extern)\s+)*(\w+)/.exec(
    code.slice(start),
  );
  const hasBody = ['fn', 'mod', 'impl', 'struct', 'enum', 'trait', 'macro_rules'].includes(
    head?.[1],
  );
  // Otherwise it is a declaration up to a semicolon, or a field, an arm or a statement.
  const ends = ['use', 'static', 'type', 'let'].includes(head?.[1]) || hasBody ? ';' : ',;';
  let depth = 0;
  for (let i = start; i < code.length; i += 1) {
    if ('([{'.includes(code[i])) {
      depth += 1;
    } else if (')]}'.includes(code[i])) {
      depth -= 1;
      if (depth < 0) {
        return i;
      }
      if (depth === 0 && code[i] === '}' && hasBody) {
        return i + 1;
      }
    } else if (depth === 0 && ends.includes(code[i])) {
      return i + 1;
    }
  }
  return code.length;
}

/** Spaces of the same shape. */
function blank(text) {
  return text.replace(/[^\n]/g, ' ');
}
