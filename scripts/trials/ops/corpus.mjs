// The project's corpus of HTTP/1 (crates/conformance/corpus): the bytes that each case sends. Its README
// tells the format.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../setup.mjs';

const FOLDER = join(ROOT, 'crates/conformance/corpus');

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {Buffer[]} pieces each is sent when an answer, or some time, has come after the one before
 */

/** @returns {Case[]} */
export function corpus() {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));
  return files.sort().flatMap((file) => casesOf(readFileSync(join(FOLDER, file), 'utf8')));
}

function casesOf(text) {
  const blocks = [];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [, keyword, rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    if (keyword === 'case') {
      blocks.push({ name: rest.replace(/^\S+ /, ''), values: [], bytes: '' });
    } else if (keyword === 'vary') {
      const [, name, value] = /^(.*?)(?: {2,}(.*))?$/.exec(rest);
      blocks.at(-1).values.push([name, value ?? '']);
    } else if (keyword === '|') {
      blocks.at(-1).bytes += rest;
    }
  }
  return blocks.flatMap(({ name, values, bytes }) =>
    values.length === 0
      ? [{ name, pieces: bytesOf(bytes) }]
      : values.map(([more, value]) => ({
          name: `${name} ${more}`,
          pieces: bytesOf(bytes.replaceAll('{}', () => value)),
        })),
  );
}

const LETTERS = { r: '\r', n: '\n', t: '\t', 0: '\0', s: ' ', '\\': '\\', '{': '{', '}': '}' };

/** Printable ASCII, escapes, `{text*count}`, and `{wait}` between the pieces. */
function bytesOf(text) {
  const pieces = [''];
  let at = 0;
  const sequence = (depth) => {
    let out = '';
    while (at < text.length && text[at] !== '}') {
      if (text.startsWith('{wait}', at)) {
        pieces[pieces.length - 1] += out;
        pieces.push('');
        out = '';
        at += 6;
      } else if (text[at] === '{') {
        at++;
        const unit = sequence(depth + 1);
        const [all, count] = /^\*(\d+)\}/.exec(text.slice(at));
        at += all.length;
        out += unit.repeat(Number(count));
      } else if (depth > 0 && /^\*\d+\}/.test(text.slice(at))) {
        return out;
      } else if (text[at] === '\\') {
        const isHex = text[at + 1] === 'x';
        out += isHex
          ? String.fromCharCode(Number.parseInt(text.slice(at + 2, at + 4), 16))
          : LETTERS[text[at + 1]];
        at += isHex ? 4 : 2;
      } else {
        out += text[at++];
      }
    }
    return out;
  };
  const last = sequence(0);
  pieces[pieces.length - 1] += last;
  return pieces.map((piece) => Buffer.from(piece, 'latin1'));
}
