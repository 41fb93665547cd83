// The folder that is served in the scenarios of files: files of one size each, the assets of a
// page with .br and .gz beside those that compress, and sets of many small files. All are made
// once, the same on every machine.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

export const FOLDER = 'target/bench/files';

/** Goes up where the content changes, so that it is made anew. */
const VERSION = '1';

const KIB = 1024;

export const sizes = { '1k': KIB, '16k': 16 * KIB, '64k': 64 * KIB, '1m': 1024 * KIB };

/** What a page asks for: name → size. All but images and fonts have compressed siblings. */
export const assets = {
  'index.html': 14_200,
  'app.css': 48_300,
  'theme.css': 6_100,
  'print.css': 1_400,
  'main.js': 182_000,
  'vendor.js': 141_000,
  'chunk-1.js': 24_800,
  'chunk-2.js': 9_700,
  'chunk-3.js': 3_200,
  'data.json': 11_900,
  'logo.svg': 2_300,
  'icons.svg': 18_400,
  'text.woff2': 23_500,
  'bold.woff2': 24_100,
  'hero.webp': 88_000,
  'photo-1.webp': 31_000,
  'photo-2.webp': 27_500,
  'photo-3.jpg': 42_000,
  'small.png': 3_900,
  'favicon.ico': 1_150,
};

/** So many files are each asked once in a run, and there is a set for each run and one to warm up. */
export const MANY = 10_000;
export const SETS = 6;
const MANY_SIZE = 8 * KIB;

/** The name of a file of a set, with folders of 100. */
export const nameInSet = (set, nth) => `set-${set}/${Math.floor(nth / 100)}/${nth % 100}.txt`;

/** The order in which the files of a set are asked: no neighbours, and the same each time. */
export const placeInSet = (nth) => (nth * 7919) % MANY;

/** Makes what is missing. */
export function makeFolder() {
  const done = `${FOLDER}/.version`;
  if (existsSync(done) && readFileSync(done, 'latin1') === VERSION) return;
  console.error(`bench: making ${FOLDER}`);
  const fresh = `${FOLDER}-${process.pid}`;
  mkdirSync(`${fresh}/page`, { recursive: true });
  for (const [name, size] of Object.entries(sizes))
    writeFileSync(`${fresh}/${name}.txt`, text(size));
  for (const [name, size] of Object.entries(assets)) {
    const isText = /\.(html|css|js|json|svg)$/.test(name);
    const bytes = isText ? text(size, name.length) : noise(size);
    writeFileSync(`${fresh}/page/${name}`, bytes);
    if (!isText) continue;
    writeFileSync(`${fresh}/page/${name}.br`, brotliCompressSync(bytes));
    const gzip = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
    writeFileSync(`${fresh}/page/${name}.gz`, gzip);
  }
  const small = text(MANY_SIZE);
  for (let set = 0; set < SETS; set++) {
    for (let nth = 0; nth < MANY; nth++) {
      if (nth % 100 === 0) mkdirSync(`${fresh}/set-${set}/${nth / 100}`, { recursive: true });
      writeFileSync(`${fresh}/${nameInSet(set, nth)}`, small);
    }
  }
  writeFileSync(`${fresh}/.version`, VERSION);
  rmSync(FOLDER, { recursive: true, force: true });
  renameSync(fresh, FOLDER);
}

/** Numbers that look random and are the same each time. */
function* numbers(seed) {
  let state = seed + 1;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

/** Words and numbers, which compress as code and pages do. */
function text(size, seed = 0) {
  const words =
    'function return const await import export class this value name index width margin padding color data item list map filter length result error request response'.split(
      ' ',
    );
  const random = numbers(seed);
  let made = '';
  while (made.length < size) {
    const { value } = random.next();
    const word = value % 5 === 0 ? value.toString(36) : words[value % words.length];
    made += value % 11 === 0 ? `${word};\n` : `${word} `;
  }
  return Buffer.from(made.slice(0, size));
}

/** What does not compress. */
function noise(size) {
  const random = numbers(size);
  return Buffer.from(Array.from({ length: size }, () => random.next().value & 0xff));
}
