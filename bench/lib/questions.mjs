// What the contenders are asked, and what they must answer to be timed.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import * as content from '../contenders/content.mjs';
import * as folder from '../contenders/folder.mjs';
import { requests } from './paths.mjs';

/** The body of the JSON request, 1 KiB. */
const apiBody = readFileSync('bench/contenders/api.json', 'utf8');
const { items, name } = JSON.parse(apiBody);

const GREETING = 'Hello, World!';

/** Twenty fields with Host, of which a handler reads five. */
const twentyFields = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'accept-encoding': 'gzip, deflate, br',
  'accept-language': 'en-GB,en;q=0.7,de;q=0.3',
  'cache-control': 'no-cache',
  dnt: '1',
  referer: 'https://example.com/a/page/that/led/here',
  'sec-fetch-mode': 'navigate',
  'upgrade-insecure-requests': '1',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'x-trace': '0123456789abcdef',
  ...Object.fromEntries(
    Array.from({ length: 9 }, (_, nth) => [`x-field-${nth + 1}`, `the value of field ${nth + 1}`]),
  ),
};

const KIB = 1024;
export const uploadSizes = { '1k': KIB, '64k': 64 * KIB, '1m': KIB * KIB, '20m': 20 * KIB * KIB };

/**
 * Requests by name. `runs` is what a contender runs, by default what the question is called;
 * `expected` is the body of the answer, `fields` are some that the answer must have. One with
 * `file` is answered with that file of the folder, in any coding; one with `parts` is several,
 * which take turns.
 */
export const questions = {
  hello: { path: '/', expected: GREETING },
  api: {
    path: '/items?page=7&sort=name',
    fields: {
      'User-Agent': 'bench',
      'X-Trace': '0123456789abcdef',
      'Content-Type': 'application/json',
    },
    body: apiBody,
    expected: JSON.stringify({
      agent: 'bench',
      trace: '0123456789abcdef',
      page: '7',
      items: items.length,
      name,
    }),
  },
  'json-12k': { path: '/list', expected: JSON.stringify(content.list) },
  headers: {
    path: '/',
    fields: twentyFields,
    expected: content.readFields.map((name) => twentyFields[name]).join('|'),
    answerFields: content.fields,
  },
  cookies: {
    path: '/',
    fields: {
      cookie:
        'first=one; theme=light; _ga=GA1.2.3456789.1234567890; session=0123456789abcdef; ' +
        'consent=yes; visits=17; lang=en; last=1700000000',
    },
    expected: '0123456789abcdef',
    answerFields: { 'set-cookie': content.setCookies },
  },
  ...Object.fromEntries(
    ['counted', 'collected'].flatMap((runs) =>
      Object.entries(uploadSizes).map(([size, length]) => [
        `upload-${size}-${runs}`,
        { path: '/', runs, body: 'x'.repeat(length), expected: String(length) },
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['string', 'bytes', 'stream'].flatMap((kind) =>
      Object.entries(content.strings).map(([size, text]) => [
        `${kind}-${size}`,
        { path: '/', expected: text },
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['start', 'pull', 'generator', 'readable'].map((kind) => [
      `stream-${kind}`,
      { path: '/', expected: Buffer.concat(content.chunks).toString() },
    ]),
  ),
  ...Object.fromEntries(
    ['microtask', 'immediate', 'timer', 'database'].map((moment) => [
      `late-${moment}`,
      { path: '/', expected: GREETING },
    ]),
  ),
  ...Object.fromEntries(
    ['listener', 'express', 'fastify'].map((name) => [name, { path: '/', expected: GREETING }]),
  ),
  'large-1m': { path: '/large', runs: 'string-1m', expected: content.strings['1m'] },
  ...Object.fromEntries(
    Object.keys(folder.sizes).map((size) => [`files-${size}`, ofFile(`${size}.txt`)]),
  ),
  'files-mix': {
    path: '/',
    runs: 'files',
    parts: Object.keys(folder.assets).map((name) =>
      ofFile(`page/${name}`, { 'accept-encoding': 'br, gzip' }),
    ),
  },
  'files-once': { ...ofFile(folder.nameInSet(0, 0)), isOnce: true },
  events: { path: '/', isEndless: true },
  ...Object.fromEntries(
    ['websocket', 'websocket-deflate', 'websocket-broadcast'].map((name) => [
      name,
      { path: '/', isEndless: true },
    ]),
  ),
};

function ofFile(file, fields) {
  return { path: `/${file}`, runs: 'files', file, fields };
}

/** What a contender is told to run for a question. */
export function runsFor(name) {
  return questions[name].runs ?? name;
}

/** The request as bytes. With `closes` it is the last of its connection. */
export function spell({ path, fields = {}, body, parts }, { closes = false } = {}) {
  if (parts !== undefined) return parts.map((part) => spell(part)).join('');
  const lines = [`${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`, 'Host: 127.0.0.1'];
  for (const [name, value] of Object.entries(fields)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  if (closes) lines.push('Connection: close');
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

/** The files with the bytes of a request, and of one that is the last of its connection. */
export function requestFiles(name) {
  const file = (how) => {
    const path = `${requests}/${name}${how.closes ? '-closes' : ''}`;
    const bytes = spell(questions[name], how);
    if (!existsSync(path) || readFileSync(path, 'utf8') !== bytes) {
      mkdirSync(requests, { recursive: true });
      writeFileSync(path, bytes);
    }
    return path;
  };
  const { body = '', parts, isOnce } = questions[name];
  if (parts !== undefined) return { request: file({}), takesTurns: true };
  if (isOnce) return { request: setFiles(name) };
  // Nobody closes after each of the large ones.
  const last = body.length < KIB * KIB ? { closing: file({ closes: true }) } : {};
  return { request: file({}), ...last };
}

/** What h2load is told of a request: its fields, and the file with its body. */
export function http2Parts(name) {
  const { fields = {}, body } = questions[name];
  if (body === undefined) return { fields };
  const path = `${requests}/${name}-body`;
  mkdirSync(requests, { recursive: true });
  writeFileSync(path, body);
  return { fields, body: path };
}

/** The files with the requests for each set of files, by a name to which `-SET` is added. */
function setFiles(name) {
  const stem = `${requests}/${name}`;
  mkdirSync(requests, { recursive: true });
  for (let set = 0; set < folder.SETS; set++) {
    const all = Array.from({ length: folder.MANY }, (_, nth) =>
      spell({ path: `/${folder.nameInSet(set, folder.placeInSet(nth))}` }),
    );
    writeFileSync(`${stem}-${set}`, all.join(''));
  }
  return stem;
}

/** The body of an answer without its coding. */
export function decoded({ head, bytes }) {
  const [, coding] = /^content-encoding: *(\S+)$/im.exec(head) ?? [];
  if (coding === 'br') return brotliDecompressSync(bytes);
  return coding === 'gzip' ? gunzipSync(bytes) : bytes;
}

/** What is wrong with an answer, or null. */
export function faultOf({ expected, file, answerFields = {} }, response) {
  if (response === undefined) return 'no complete answer';
  if (response.status !== 200) return `status ${response.status}`;
  if (file !== undefined) {
    const isRight = decoded(response).equals(readFileSync(`${folder.FOLDER}/${file}`));
    return isRight ? null : `what is not ${file}`;
  }
  if (response.body !== expected) {
    const { body } = response;
    return `a body of ${body.length} characters, not ${expected.length}: ${body.slice(0, 200)}`;
  }
  const lines = response.head.split('\r\n').slice(1);
  for (const [name, values] of Object.entries(answerFields)) {
    for (const value of [values].flat()) {
      const has = lines.some((line) => {
        const colon = line.indexOf(':');
        return (
          line.slice(0, colon).toLowerCase() === name && line.slice(colon + 1).trim() === value
        );
      });
      if (!has) return `no field '${name}: ${value}'`;
    }
  }
  return null;
}
