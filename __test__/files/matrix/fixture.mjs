// The folder that the rows ask for, the same each time but for inode numbers.

import {
  chmodSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** When all files were modified, if nothing else is said: in the three forms of a date. */
export const SAME = 'Sat, 01 Jan 2022 12:00:00 GMT';
export const SAME_850 = 'Saturday, 01-Jan-22 12:00:00 GMT';
export const SAME_ASCTIME = 'Sat Jan  1 12:00:00 2022';
export const EARLIER = 'Sat, 01 Jan 2022 11:59:59 GMT';
export const LATER = 'Sat, 01 Jan 2022 12:00:01 GMT';
export const FUTURE = 'Tue, 01 Jan 2199 00:00:00 GMT';
export const TIME = Date.parse(SAME) / 1000;

const code = (length) =>
  'export const some = "words that repeat";\n'.repeat(length).slice(0, length);

/** Bytes whose place can be told from them. */
const counted = (length) => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32BE(at, at);
  return bytes;
};

/** Files by name. */
const texts = {
  'ten.txt': '0123456789',
  'abc.txt': 'abcdefghijklmnopqrstuvwxyz',
  'empty.txt': '',
  'one.txt': '1',
  'kilo.txt': Array.from({ length: 200 }, (_, n) => `X${String(n).padStart(3, '0')}\n`).join(''),
  'sib.js': code(4000),
  'gz.css': code(3000),
  'br.css': code(2500),
  'old.css': code(2600),
  'tie.html': code(1500),
  'fly.html': code(8192),
  'fly.json': code(20_000),
  'fly.svg': code(5000),
  'small.html': code(600),
  'photo.png': counted(4096),
  'large.bin': counted(3 << 20),
  'dir/index.html': 'the index',
  'dir/ten.txt': '0123456789',
  'dir/deep/ten.txt': '0123456789',
  'empty/.keep': '',
  'future.txt': '0123456789',
  'epoch.txt': '0123456789',
  'name with space.txt': 'spaces',
  'ümlaut.txt': 'umlaut',
  'percent%41.txt': 'percent',
  noext: 'no extension',
  'UPPER.TXT': 'upper',
  'dots..txt': 'dots',
  '.hidden': 'hidden',
  '.git/config': 'hidden',
  '.well-known/security.txt': 'security',
};

/** Text and the like may have siblings, or be compressed: what is sent depends on the request. */
export const varies = (name) => /\.(txt|html|css|js|json|svg)$/i.test(name);

/** @param {string} top a folder of the test's own: `served` is for clients, the rest is not */
export function makeFixture(top) {
  const root = join(top, 'served');
  const outside = join(top, 'outside');
  for (const folder of ['dir/deep', 'empty', '.git', '.well-known', 'link']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  mkdirSync(join(outside, 'dir'), { recursive: true });
  const write = (name, bytes, time = TIME, within = root) => {
    const path = join(within, name);
    writeFileSync(path, bytes);
    utimesSync(path, time, time);
  };
  for (const [name, bytes] of Object.entries(texts)) write(name, bytes);
  const siblings = (name, codings, time = TIME) => {
    const bytes = Buffer.from(texts[name]);
    const make = { br: brotliCompressSync, gz: gzipSync, zst: () => Buffer.from('as if by zstd') };
    for (const coding of codings) write(`${name}.${coding}`, make[coding](bytes), time);
  };
  siblings('sib.js', ['br', 'gz', 'zst']);
  siblings('gz.css', ['gz']);
  siblings('br.css', ['br']);
  siblings('tie.html', ['gz'], TIME + 60);
  siblings('old.css', ['gz'], TIME - 1);
  write('orphan.css.gz', gzipSync('alone'));
  write('orphan.css.br', brotliCompressSync('alone'));
  write('future.txt', texts['future.txt'], Date.parse(FUTURE) / 1000);
  write('epoch.txt', texts['epoch.txt'], 0);
  write('sparse.bin', '');
  truncateSync(join(root, 'sparse.bin'), 5 * 2 ** 30);
  utimesSync(join(root, 'sparse.bin'), TIME, TIME);
  write('secret.txt', 'secret', TIME, outside);
  write('dir/secret.txt', 'secret', TIME, outside);
  write('dir/index.html', 'secret', TIME, outside);
  write('secret.txt.gz', gzipSync('secret'), TIME, outside);
  links(root, outside);
  write('unreadable.txt', 'secret');
  chmodSync(join(root, 'unreadable.txt'), 0);
  return root;
}

/** Symbolic links: those that stay beneath the root may be followed, all others not. */
function links(root, outside) {
  const link = (target, name) => symlinkSync(target, join(root, 'link', name));
  link('../ten.txt', 'inside');
  link('../dir', 'folder');
  link('inside', 'chain');
  link('../link/chain', 'detour');
  link('../dir/../dir/deep', 'dots');
  link('folder/deep', 'through');
  link('.', 'self');
  link(join(root, 'ten.txt'), 'absolute');
  link(join(outside, 'secret.txt'), 'out');
  link('../../outside/secret.txt', 'out-relative');
  link(outside, 'out-folder');
  link('../../outside', 'out-folder-relative');
  link('out', 'out-chain');
  link('out-folder/dir', 'out-through');
  link('../../served/ten.txt', 'out-and-in');
  link('loop-2', 'loop-1');
  link('loop-1', 'loop-2');
  link('nowhere', 'dangling');
  link('/etc/passwd', 'passwd');
  link('/proc/self/environ', 'environ');
  link('/proc/self/root', 'proc-root');
  link('/proc/self/cwd', 'proc-cwd');
  link('/dev/zero', 'zero');
  link('/', 'slash');
  link('..', 'top');
  link('../..', 'above');
  mkdirSync(join(root, 'link/index'));
  symlinkSync(join(outside, 'secret.txt'), join(root, 'link/index/index.html'));
  mkdirSync(join(root, 'link/good-index'));
  symlinkSync('../../dir/index.html', join(root, 'link/good-index/index.html'));
  writeFileSync(join(root, 'link/sibling.txt'), texts['sib.js']);
  symlinkSync(join(outside, 'secret.txt.gz'), join(root, 'link/sibling.txt.gz'));
  utimesSync(join(root, 'link/sibling.txt'), TIME, TIME);
}

/** What a file of the fixture holds. */
export const contentOf = (root, path) => readFileSync(join(root, decodeURIComponent(path)));
