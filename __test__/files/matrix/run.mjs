// Asks one row of the matrix over a raw connection, and compares the answer with what the row says.
//
// A row: [name, request line without version, lines of fields, status, what else is expected]. In
// a line `{tag}` is the ETag of the path, `{tag:br}` that of its representation in a coding.
//
//   range     [first, last]: one range, of the file
//   ranges    several: multipart/byteranges
//   coding    of the body, which is the sibling's where there is one
//   body      else it is the file's own content
//   path      of the file, where the path of the request is another
//   loose     what is compressed may come as it is: the engine decides
//   fields    name → value, a RegExp, or null for "must not be there"

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { answersIn, converse } from '../../support/conversation.mjs';
import { contentOf, varies } from './fixture.mjs';

const SUFFIX = { br: '.br', gzip: '.gz', zstd: '.zst' };

/**
 * @param {object} door where rows are asked: `port`, `root`, `prefix` of the paths, and
 *   `isFolder`: whether the engine serves the folder, so that its own fields are there
 */
export function askerOf({ port, root, prefix = '', isFolder = true }) {
  const tags = new Map();

  async function tagOf(path, coding) {
    const key = `${path} ${coding}`;
    if (!tags.has(key)) {
      const fields = coding === undefined ? [] : [`Accept-Encoding: ${coding}, identity;q=0`];
      const [answer] = await ask(spell('GET', path, fields, true), ['GET']);
      tags.set(key, field(answer, 'etag') ?? '"there-is-none"');
    }
    return tags.get(key);
  }

  async function fill(path, line) {
    let filled = line;
    for (const [whole, , coding] of line.matchAll(/\{tag(:(\w+))?\}/g)) {
      filled = filled.replace(whole, await tagOf(path, coding));
    }
    return filled;
  }

  function spell(method, path, fields, isLast = false) {
    const lines = [`${method} ${prefix}${path} HTTP/1.1`, 'Host: a', ...fields];
    if (isLast) lines.push('Connection: close');
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  async function ask(bytes, methods) {
    return answersIn(await converse(port, [Buffer.from(bytes, 'latin1')]), methods);
  }

  /** What is wrong with the answer to a row: a list, empty where it is right. */
  async function faults([, request, lines, status, expected = {}]) {
    const [method, path] = request.split(' ');
    const fields = [];
    for (const line of lines) fields.push(await fill(path, line));
    // Each is followed by HEAD where both must say the same, and by a request that shows whether
    // the connection goes on in step.
    const hasTwin = method === 'GET' && !lines.some((line) => /^range:/i.test(line));
    const methods = [method, ...(hasTwin ? ['HEAD'] : []), 'GET'];
    const bytes = [
      spell(method, path, fields),
      ...(hasTwin ? [spell('HEAD', path, fields)] : []),
      spell('GET', '/ten.txt', [], true),
    ].join('');
    let answers;
    try {
      answers = await ask(bytes, methods);
    } catch (error) {
      return [error.message];
    }
    const found = [];
    const say = (text) => found.push(text);
    if (answers.length !== methods.length) {
      return [`${answers.length} answers to ${methods.length} requests`];
    }
    const [answer] = answers;
    const next = answers.at(-1);
    if (next.status !== 200 || String(next.body) !== '0123456789') {
      say(`the next request is answered with ${next.status} ${next.body}`);
    }
    if (answer.status !== status) {
      say(`status ${answer.status} instead of ${status}`);
      return found;
    }
    // The name says what type it has.
    const name = path.endsWith('/') ? expected.path : path.split('?')[0];
    judge(answer, { method, path: expected.path ?? path, name, status, expected, say });
    if (hasTwin) twin(answer, answers[1], say);
    return found;
  }

  function judge(answer, { method, path, name, status, expected, say }) {
    for (const [key, value] of Object.entries(expected.fields ?? {})) {
      const there = field(answer, key);
      const isRight =
        value === null
          ? there === undefined
          : value instanceof RegExp
            ? there !== undefined && value.test(there)
            : there === value;
      if (!isRight) say(`${key}: ${there} instead of ${value}`);
    }
    if ([200, 206, 304].includes(status)) common(answer, name, status, expected, say);
    if (status === 304 || status === 204) {
      if (field(answer, 'transfer-encoding') !== undefined) say('it is chunked');
      return;
    }
    const length = field(answer, 'content-length');
    if (method === 'GET' && length !== undefined && Number(length) !== answer.body.length) {
      say(`Content-Length ${length} of ${answer.body.length} bytes`);
    }
    const isExpected = expected.body !== undefined || [200, 206].includes(status);
    if (method !== 'GET' || !isExpected) return;
    if (expected.ranges !== undefined) {
      parts(answer, path, expected.ranges, say);
      return;
    }
    body(answer, path, status, expected, say);
  }

  /** What 200, 206 and 304 have alike. */
  function common(answer, name, status, expected, say) {
    if (!isFolder || expected.body !== undefined) return;
    const vary = field(answer, 'vary');
    if (varies(name ?? '') !== (vary !== undefined && /accept-encoding/i.test(vary))) {
      say(`vary: ${vary}`);
    }
    if (field(answer, 'cache-control') !== 'no-cache') say('no Cache-Control');
    if (status === 304) return;
    if (field(answer, 'x-content-type-options') !== 'nosniff') say('no nosniff');
    if (field(answer, 'content-type') === undefined) say('no Content-Type');
  }

  function body(answer, path, status, { range, coding, body, loose }, say) {
    const sent = field(answer, 'content-encoding');
    const hasRanges = field(answer, 'accept-ranges') === 'bytes';
    if (status === 200 && body === undefined && coding === undefined && !hasRanges) {
      say(`accept-ranges: ${field(answer, 'accept-ranges')}`);
    }
    const content = body === undefined ? contentOf(root, path) : Buffer.from(body);
    if (status === 206) {
      const [first, last] = range;
      const value = `bytes ${first}-${last}/${content.length}`;
      if (field(answer, 'content-range') !== value) {
        say(`content-range: ${field(answer, 'content-range')} instead of ${value}`);
      }
      if (sent !== undefined) say(`a range of ${sent}`);
      if (!answer.body.equals(content.subarray(first, last + 1))) say('other bytes');
      return;
    }
    if (field(answer, 'content-range') !== undefined) say('a 200 with Content-Range');
    if (loose && sent === undefined) {
      if (!answer.body.equals(content)) say('other bytes');
      return;
    }
    if (sent !== coding) {
      say(`content-encoding: ${sent} instead of ${coding}`);
      return;
    }
    const sibling = join(root, decodeURIComponent(path) + SUFFIX[coding]);
    const isSibling = coding !== undefined && existsSync(sibling);
    const got = isSibling ? answer.body : decoded(answer.body, coding);
    const wanted = isSibling ? contentOf(root, path + SUFFIX[coding]) : content;
    // A sibling that may not be used is not what is sent.
    if (!got.equals(wanted) && !(isSibling && decoded(answer.body, coding).equals(content))) {
      say(`other bytes: ${got.length} instead of ${wanted.length}`);
    }
    if (coding !== undefined && answer.body.length > content.length) say('longer than the file');
  }

  function parts(answer, path, ranges, say) {
    const content = contentOf(root, path);
    const type = field(answer, 'content-type');
    const [, boundary] = /^multipart\/byteranges; ?boundary="?([^";]+)"?$/.exec(type) ?? [];
    if (boundary === undefined) {
      say(`content-type: ${type}`);
      return;
    }
    if (field(answer, 'content-range') !== undefined) say('a multipart with Content-Range');
    const text = `\r\n${answer.body.toString('latin1')}`.replace(/^\r\n\r\n/, '\r\n');
    const pieces = text.split(`\r\n--${boundary}`);
    const end = pieces.pop();
    if (pieces.shift() !== '' || !/^--(\r\n)?$/.test(end)) say('a multipart without its end');
    if (pieces.length !== ranges.length) say(`${pieces.length} parts`);
    for (const [nth, [first, last]] of ranges.entries()) {
      const [head, ...rest] = (pieces[nth] ?? '').split('\r\n\r\n');
      const wanted = content.subarray(first, last + 1).toString('latin1');
      const range = /^content-range: *(.*)$/im.exec(head)?.[1];
      if (range !== `bytes ${first}-${last}/${content.length}`) say(`part ${nth}: ${range}`);
      if (rest.join('\r\n\r\n') !== wanted) say(`part ${nth}: other bytes`);
      if (!/^content-type: *\S/im.test(head)) say(`part ${nth}: no Content-Type`);
    }
  }

  return { faults, ask, spell };
}

/** An answer to HEAD says what GET's says. It may leave out a length that nobody knows yet. */
function twin(get, head, say) {
  if (head.status !== get.status) say(`HEAD: status ${head.status} where GET has ${get.status}`);
  const names = new Set([...get.headers, ...head.headers].map(([name]) => name));
  for (const name of names) {
    if (['date', 'connection', 'transfer-encoding'].includes(name)) continue;
    const [one, other] = [field(get, name), field(head, name)];
    if (other === undefined && name === 'content-length') continue;
    if (one === undefined && name === 'content-length' && get.status !== 304) continue;
    if (one !== other) say(`HEAD: ${name}: ${other} where GET has ${one}`);
  }
}

const field = (answer, name) => answer.headers.find(([key]) => key === name)?.[1];

function decoded(bytes, coding) {
  if (coding === 'br') return brotliDecompressSync(bytes);
  return coding === 'gzip' ? gunzipSync(bytes) : bytes;
}
