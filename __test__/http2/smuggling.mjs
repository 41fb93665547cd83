// Requests that two programs could read in two ways, and other malformed messages (RFC 9113 §8.1.1):
// what is sent on a stream, and what must come. None may reach a handler.

import { data, fieldsOf, headers } from './raw.mjs';

const MALFORMED = 'RST PROTOCOL_ERROR';

/** A head with fields behind the usual ones. */
const more = (...fields) => [fieldsOf('/hello', { more: fields })];
/** A head of these fields alone. */
const only = (...fields) => [fields];
const M = [':method', 'GET'];
const S = [':scheme', 'http'];
const A = [':authority', 'localhost'];
const P = [':path', '/hello'];

/** Each: a name, the fields of the head, and what comes. */
const HEADS = [
  ['CR LF in a value', more(['x', 'a\r\nb: c']), MALFORMED],
  ['CR in a value', more(['x', 'a\rb']), MALFORMED],
  ['LF in a value', more(['x', 'a\nb']), MALFORMED],
  ['NUL in a value', more(['x', 'a\0b']), MALFORMED],
  ['a request in a value', more(['x', 'a\r\n\r\nGET /canary HTTP/1.1\r\nhost: a']), MALFORMED],
  ['CR LF in a name', more(['x\r\ny', 'a']), MALFORMED],
  ['NUL in a name', more(['x\0', 'a']), MALFORMED],
  ['a colon in a name', more(['x:y', 'a']), MALFORMED],
  ['a space in a name', more(['x y', 'a']), MALFORMED],
  ['a space behind a name', more(['host ', 'a']), MALFORMED],
  ['an empty name', more(['', 'a']), MALFORMED],
  ['a name beyond ASCII', more(['caf\xe9', 'a']), MALFORMED],
  ['a name with DEL', more(['x\x7f', 'a']), MALFORMED],
  ['an upper-case name', more(['X-A', 'a']), MALFORMED],
  ['an upper-case Content-Length', more(['Content-Length', '5']), MALFORMED],
  ['a space before a value', more(['x', ' a']), MALFORMED],
  ['a space behind a value', more(['x', 'a ']), MALFORMED],
  ['a tab before a value', more(['x', '\ta']), MALFORMED],
  ['transfer-encoding', more(['transfer-encoding', 'chunked']), MALFORMED],
  ['transfer-encoding: identity', more(['transfer-encoding', 'identity']), MALFORMED],
  ['connection', more(['connection', 'close']), MALFORMED],
  ['connection that names a field', more(['connection', 'x-a'], ['x-a', 'b']), MALFORMED],
  ['keep-alive', more(['keep-alive', 'timeout=5']), MALFORMED],
  ['proxy-connection', more(['proxy-connection', 'close']), MALFORMED],
  ['upgrade', more(['upgrade', 'h2c']), MALFORMED],
  ['upgrade: websocket', more(['upgrade', 'websocket'], ['connection', 'upgrade']), MALFORMED],
  ['te: gzip', more(['te', 'gzip']), MALFORMED],
  ['te: trailers, gzip', more(['te', 'trailers, gzip']), MALFORMED],
  ['te twice', more(['te', 'trailers'], ['te', 'gzip']), MALFORMED],
  ['no :method', only(S, A, P), MALFORMED],
  ['no :scheme', only(M, A, P), MALFORMED],
  ['no :path', only(M, S, A), MALFORMED],
  ['an empty :path', only(M, S, A, [':path', '']), MALFORMED],
  ['an empty :method', only([':method', ''], S, A, P), MALFORMED],
  ['an empty :scheme', only(M, [':scheme', ''], A, P), MALFORMED],
  ['two :path', only(M, S, A, P, [':path', '/canary']), MALFORMED],
  ['two :path that are equal', only(M, S, A, P, P), MALFORMED],
  ['two :method', only(M, [':method', 'POST'], S, A, P), MALFORMED],
  ['two :authority', only(M, S, A, [':authority', 'other'], P), MALFORMED],
  ['two :scheme', only(M, S, [':scheme', 'https'], A, P), MALFORMED],
  ['an unknown pseudo-field', only(M, S, A, P, [':x', 'a']), MALFORMED],
  ['a pseudo-field of answers', only(M, S, A, P, [':status', '200']), MALFORMED],
  [':protocol without CONNECT', only(M, S, A, P, [':protocol', 'websocket']), MALFORMED],
  ['a pseudo-field behind a field', only(M, S, A, ['x', 'a'], P), MALFORMED],
  ['an upper-case pseudo-field', only(M, S, A, [':Path', '/hello']), MALFORMED],
  [':authority against host', more(['host', 'other']), MALFORMED],
  ['two host', only(M, S, P, ['host', 'localhost'], ['host', 'other']), [MALFORMED, '400']],
  ['CR LF in :path', only(M, S, A, [':path', '/hello HTTP/1.1\r\nx: y']), MALFORMED],
  ['a space in :path', only(M, S, A, [':path', '/hello HTTP/1.1']), [MALFORMED, '400']],
  ['CR LF in :method', only([':method', 'GET /canary HTTP/1.1\r\nx: y'], S, A, P), MALFORMED],
  ['a space in :method', only([':method', 'GET /canary'], S, A, P), MALFORMED],
  ['CR LF in :authority', only(M, S, [':authority', 'localhost\r\nx: y'], P), MALFORMED],
  ['CR LF in :scheme', only(M, [':scheme', 'http\r\nx'], A, P), MALFORMED],
  ['a user in :authority', only(M, S, [':authority', 'root@localhost'], P), [MALFORMED, '400']],
  ['a path in :authority', only(M, S, [':authority', 'localhost/x'], P), [MALFORMED, '400']],
  ['a :path that begins with no slash', only(M, S, A, [':path', 'hello']), [MALFORMED, '400']],
  ['an absolute :path', only(M, S, A, [':path', 'http://other/hello']), [MALFORMED, '400']],
  ['a :path beyond ASCII', only(M, S, A, [':path', '/caf\xe9']), [MALFORMED, '400']],
  ['no host at all', only(M, S, P), [MALFORMED, '400']],
  ['CONNECT with :path', only([':method', 'CONNECT'], A, P), MALFORMED],
  ['CONNECT with :scheme', only([':method', 'CONNECT'], S, A), MALFORMED],
  ['CONNECT without :authority', only([':method', 'CONNECT']), MALFORMED],
  ['content-length that is none', more(['content-length', '5x']), [MALFORMED, '400']],
  ['a negative content-length', more(['content-length', '-1']), [MALFORMED, '400']],
  ['content-length with a plus', more(['content-length', '+0']), [MALFORMED, '400']],
  ['content-length of two', more(['content-length', '0, 0']), [MALFORMED, '400']],
  [
    'two content-length',
    more(['content-length', '0'], ['content-length', '1']),
    [MALFORMED, '400'],
  ],
  ['a content-length, and the end at once', more(['content-length', '5']), MALFORMED],
  ['an empty content-length', more(['content-length', '']), [MALFORMED, '400']],
].map(([name, [fields], expected]) => ({
  name,
  frames: (stream) => [headers(stream, fields)],
  expected,
}));

/** A POST with this length, and frames behind its head. */
const posted =
  (length, ...behind) =>
  (stream) => [
    headers(
      stream,
      fieldsOf('/whole', {
        method: 'POST',
        more: length === null ? [] : [['content-length', String(length)]],
      }),
      { end: false },
    ),
    ...behind.map((make) => make(stream)),
  ];
const trailers =
  (fields, how = {}) =>
  (stream) =>
    headers(stream, fields, how);
const body =
  (text, isEnd = false) =>
  (stream) =>
    data(stream, text, isEnd);

/** A handler may have begun when these are seen. `isSeen` says so. */
const BODIES = [
  ['more DATA than the length', posted(1, body('ab', true)), MALFORMED],
  ['more DATA than the length, in pieces', posted(3, body('ab'), body('ab', true)), MALFORMED],
  ['less DATA than the length', posted(5, body('abc', true)), MALFORMED],
  ['no DATA where a length was told', posted(5, body('', true)), MALFORMED],
  [
    'less DATA than the length, and trailers',
    posted(5, body('a'), trailers([['x', 'a']])),
    MALFORMED,
  ],
  ['DATA where the length is 0', posted(0, body('GET / HTTP/1.1\r\n\r\n', true)), MALFORMED],
  ['a pseudo-field in trailers', posted(null, body('a'), trailers([[':path', '/x']])), MALFORMED],
  [
    'trailers without the end',
    posted(null, body('a'), trailers([['x', 'a']], { end: false })),
    MALFORMED,
  ],
  ['an upper-case trailer', posted(null, body('a'), trailers([['X', 'a']])), MALFORMED],
  ['CR LF in a trailer', posted(null, body('a'), trailers([['x', 'a\r\nb: c']])), MALFORMED],
  ['NUL in a trailer', posted(null, body('a'), trailers([['x', 'a\0']])), MALFORMED],
  [
    'connection in trailers',
    posted(null, body('a'), trailers([['connection', 'close']])),
    MALFORMED,
  ],
  [
    'transfer-encoding in trailers',
    posted(null, body('a'), trailers([['transfer-encoding', 'chunked']])),
    MALFORMED,
  ],
].map(([name, frames, expected]) => ({ name, frames, expected, isBegun: true }));

/** @type {{ name: string, frames: (stream: number) => Buffer[], expected: string | string[], isBegun?: boolean }[]} */
export const SHAPES = [...HEADS, ...BODIES];

/** What must be served, although it looks odd. */
export const FINE = [
  ['host beside :authority', more(['host', 'localhost'])],
  ['host in other letters beside :authority', more(['host', 'LOCALHOST'])],
  ['host alone', only(M, S, P, ['host', 'localhost'])],
  ['pseudo-fields in any order', only(P, A, S, M)],
  ['te: trailers', more(['te', 'trailers'])],
  ['crumbs of a cookie', more(['cookie', 'a=b'], ['cookie', 'c=d'])],
  ['an empty value', more(['x', ''])],
  ['bytes beyond ASCII in a value', more(['x', 'caf\xe9'])],
  ['a content-length of 0', more(['content-length', '0'])],
  ['a query', only(M, S, A, [':path', '/hello?a=b&c=d'])],
].map(([name, [fields]]) => ({ name, frames: (stream) => [headers(stream, fields)] }));
