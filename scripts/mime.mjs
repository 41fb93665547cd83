// `npm run mime`: the types of files by their extension, made from mime-db into
// crates/server/src/dispatch/files/mime/. `--check` writes nothing, and fails where a table is not
// what it would write. Here is what mime-db leaves open: which of several types an extension has,
// and which types say that they are UTF-8.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import db from 'mime-db';
import { ROOT } from './setup.mjs';

const FOLDER = join(ROOT, 'crates/server/src/dispatch/files/mime');

/** Who registered a type, the best first; else the first in mime-db's order counts. */
const SOURCES = ['iana', 'apache', 'nginx', undefined];

/**
 * Types by extension, where that rule has none or not the one that helps. `.ts` stays video/mp2t:
 * HLS has its segments so, as every server does. No browser runs TypeScript, and what reads it
 * does not look at its type.
 */
const CHOSEN = {
  // A module for bundlers that a browser can load too; it refuses `application/node` as a script.
  cjs: 'text/javascript',
  // What browsers, nginx and Apache call them.
  '3gpp': 'video/3gpp',
  cur: 'image/x-icon',
  flac: 'audio/flac',
  ico: 'image/x-icon',
  mp4: 'video/mp4',
  mpg4: 'video/mp4',
  wav: 'audio/wav',
  // What is meant by these today.
  asc: 'application/pgp-signature',
  mpp: 'application/vnd.ms-project',
  mts: 'video/mp2t',
  org: 'text/x-org',
  prc: 'application/x-mobipocket-ebook',
  vcf: 'text/vcard',
  // An image only together with `Content-Encoding: gzip`.
  svgz: 'application/gzip',
  // mime-db has none.
  jsonl: 'application/x-ndjson',
  ndjson: 'application/x-ndjson',
  tgz: 'application/gzip',
  zst: 'application/zstd',
};

/**
 * Types that get `charset=utf-8`: text, JavaScript, and JSON, which older browsers show as
 * windows-1252 without it. XML, and so SVG, says its encoding itself and is UTF-8 if it does
 * not; a charset here would win over what the file says.
 */
const isUtf8 = (type) =>
  (/^text\//.test(type) && !/xml$/.test(type)) ||
  /^application\/(json5?|x-ndjson|(x-)?javascript|toml)$|\+json$/.test(type);

/** What `is_compressible` in mime.rs says without a list: text by its name. */
const isTextByName = (type) => /^text\/|[/+](javascript|json|text|xml|yaml)$/.test(type);

/** Types that compress well though mime-db does not say so, or not though it does. */
const COMPRESSIBLE = {
  'application/json5': true,
  'application/x-ndjson': true,
  // Whatever has no other type, and installers: packed already, most of them.
  'application/octet-stream': false,
};

/** The lines `extension type`, by the bytes of the extension. */
export function typesTable() {
  const types = new Map();
  for (const [type, { extensions = [], source }] of Object.entries(db)) {
    for (const extension of extensions) {
      const before = types.get(extension);
      if (before === undefined || rank(source) < rank(db[before].source)) {
        types.set(extension, type);
      }
    }
  }
  for (const [extension, type] of Object.entries(CHOSEN)) {
    if (types.get(extension) === type) {
      throw new Error(`scripts/mime.mjs chooses for .${extension} what it has anyway`);
    }
    types.set(extension, type);
  }
  const lines = [...types].map(([extension, type]) => {
    if (!/^[a-z0-9_-]{1,32}$/.test(extension)) {
      throw new Error(`mime-db has an extension that mime.rs does not expect: ${extension}`);
    }
    return `${extension} ${type}${isUtf8(type) ? '; charset=utf-8' : ''}\n`;
  });
  // A space comes before every character of an extension, so lines are sorted as extensions are.
  return lines.sort((a, b) => (a < b ? -1 : 1)).join('');
}

/** The types that compress well and whose names do not show it, a line each. */
export function compressibleTable() {
  const flags = new Map(Object.entries(db).map(([type, { compressible }]) => [type, compressible]));
  for (const [type, flag] of Object.entries(COMPRESSIBLE)) {
    flags.set(type, flag);
  }
  const wrong = [...flags].filter(([type, flag]) => flag === false && isTextByName(type));
  if (wrong.length > 0) {
    throw new Error(`mime-db has text that does not compress: ${wrong.join(' ')}`);
  }
  const types = [...flags].filter(([type, flag]) => flag === true && !isTextByName(type));
  return types
    .map(([type]) => `${type}\n`)
    .sort()
    .join('');
}

function rank(source) {
  return SOURCES.indexOf(source);
}

/** The tables that are not as they would be written, by their path. @returns {Map<string, string>} */
export function staleTables() {
  const tables = { 'types.txt': typesTable(), 'compressible.txt': compressibleTable() };
  const paths = Object.entries(tables).map(([name, text]) => [join(FOLDER, name), text]);
  return new Map(paths.filter(([path, text]) => read(path) !== text));
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [path, text] of staleTables()) {
    if (process.argv.includes('--check')) {
      console.error(`${path} is not what mime-db makes of it; run: npm run mime`);
      process.exitCode = 1;
    } else {
      writeFileSync(path, text);
      console.log(`written: ${path}`);
    }
  }
}
