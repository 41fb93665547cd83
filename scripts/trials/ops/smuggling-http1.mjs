// Requests that a front and what is behind it may read differently: the known classes of request
// smuggling.

/** What would be smuggled: a whole request, and one that swallows the head of the next. */
export const POISON = {
  whole: 'GET /poison HTTP/1.1\r\nHost: a\r\nX-Front: forged\r\n\r\n',
  partial: 'GET /poison HTTP/1.1\r\nHost: a\r\nX-Front: forged\r\nX-Swallows: ',
};

/** Lines that one side may take for a chunked body, and the other may not. */
const TRANSFER_ENCODINGS = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding:\x0cchunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: chunked\x00',
  'Transfer-Encoding: \x00chunked',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: \x85chunked',
  'Transfer-Encoding: \xffchunked',
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding: cHuNkEd',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: chunked-x',
  'Transfer-Encoding: x, chunked',
  'Transfer-Encoding: chunked, x',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: 'chunked'",
  'Transfer-Encoding: ',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\r\n\tchunked',
  'Transfer-Encoding: x\r\n chunked',
  'Transfer-Encoding: chunked\r\n x',
  'Transfer-Encoding\r\n: chunked',
  'Transfer-Encoding\r\n : chunked',
  'Transfer-Encoding:\n chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\r\rTransfer-Encoding: chunked',
  'X:\nTransfer-Encoding: chunked',
  'X: y\x00\r\nTransfer-Encoding: chunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding\x00: chunked',
  'Transfer\x00-Encoding: chunked',
  'Transfer-Encoding\xa0: chunked',
  'Transfer-\rEncoding: chunked',
  'Transfer Encoding: chunked',
  'Transfer-Encoding chunked',
  'Transfer-Encoding= chunked',
  'Transfer-Encoding;: chunked',
  '"Transfer-Encoding": chunked',
  ':Transfer-Encoding: chunked',
  '\x00Transfer-Encoding: chunked',
  '\x0bTransfer-Encoding: chunked',
  'X-Transfer-Encoding: chunked',
  'TE: chunked\r\nConnection: TE',
  'Content-Encoding: chunked',
  'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nConnection: Content-Length',
];

/** Ways to write a length, which is `N` here. */
const LENGTHS = [
  'Content-Length: N',
  'Content-Length: +N',
  'Content-Length: -N',
  'Content-Length: 0N',
  'Content-Length: 00000000000000000000N',
  'Content-Length: 0xN',
  'Content-Length: N ',
  'Content-Length:\tN\t',
  'Content-Length:\x0bN',
  'Content-Length: N\x0b',
  'Content-Length: N\x00',
  'Content-Length: \x00N',
  'Content-Length: \xa0N',
  'Content-Length: N.0',
  'Content-Length: N,',
  'Content-Length: ,N',
  'Content-Length: N, N',
  'Content-Length: N, 0',
  'Content-Length: 0, N',
  'Content-Length: N 0',
  'Content-Length: 0 N',
  'Content-Length: N;',
  'Content-Length: "N"',
  'Content-Length: Ne0',
  'Content-Length: N_0',
  'Content-Length: N\r\nContent-Length: N',
  'Content-Length: N\r\nContent-Length: 0',
  'Content-Length: 0\r\nContent-Length: N',
  'Content-Length: \r\nContent-Length: N',
  'Content-Length:\r\n N',
  'Content-Length: N\r\n 0',
  'Content-Length: 0\r\n N',
  'Content-Length : N',
  'Content-Length\t: N',
  ' Content-Length: N',
  'Content-Length\r\n: N',
  'Content-Length\x00: N',
  'Content_Length: N',
  'Content Length: N',
  'Content-Length N',
  'X: y\nContent-Length: N',
  'X: y\rContent-Length: N',
  'X:\nContent-Length: N',
  'Connection: Content-Length\r\nContent-Length: N',
  'Connection: close, Content-Length\r\nContent-Length: N',
  'Content-Length: 18446744073709551616',
  'Content-Length: 4294967296',
  'Content-Length: 9223372036854775808',
  'Content-Length: \xb2N',
  'Content-Length: ',
];

/** Bodies in chunks that one side may take apart otherwise than the other; `P` is the poison. */
const CHUNKS = [
  '5;a=b\r\nhello\r\n0\r\n\r\nP',
  '5;a\nb\r\nhello\r\n0\r\n\r\nP',
  '5;a\rb\r\nhello\r\n0\r\n\r\nP',
  '5;a="\r\nhello\r\n0\r\n\r\nP',
  '5;a="\r\n"\r\nhello\r\n0\r\n\r\nP',
  '5;\nhello\r\n0\r\n\r\nP',
  '5;\r\nhello\r\n0\r\n\r\nP',
  '5 ;a\r\nhello\r\n0\r\n\r\nP',
  '5\t;a\r\nhello\r\n0\r\n\r\nP',
  '5 \r\nhello\r\n0\r\n\r\nP',
  '5\nhello\r\n0\r\n\r\nP',
  '5\rhello\r\n0\r\n\r\nP',
  '5\r\rhello\r\n0\r\n\r\nP',
  '5\r\nhello\n0\r\n\r\nP',
  '5\r\nhello0\r\n\r\nP',
  '5\r\nhelloXX0\r\n\r\nP',
  '5\r\nhello\r0\r\n\r\nP',
  '5\r\nhello\r\n0\n\r\nP',
  '5\r\nhello\r\n0\r\n\nP',
  '5\r\nhello\r\n0\n\nP',
  '5\r\nhello\r\n0\r\rP',
  '5\r\nhello\r\n0\r\nXX\r\n\r\nP',
  '5\r\nhello\r\n00\r\n\r\nP',
  '5\r\nhello\r\n-0\r\n\r\nP',
  '5\r\nhello\r\n0;x\r\n\r\nP',
  '5\r\nhello\r\n0;x\n\r\n\r\nP',
  '5\r\nhello\r\n0 \r\n\r\nP',
  '5\r\nhello\r\n0x0\r\n\r\nP',
  '+5\r\nhello\r\n0\r\n\r\nP',
  '0x5\r\nhello\r\n0\r\n\r\nP',
  '5_0\r\nhello\r\n0\r\n\r\nP',
  ' 5\r\nhello\r\n0\r\n\r\nP',
  '\r\n5\r\nhello\r\n0\r\n\r\nP',
  '00000000000000000000000000000005\r\nhello\r\n0\r\n\r\nP',
  '10000000000000005\r\nhello\r\n0\r\n\r\nP',
  'FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\nP',
  '5\x00\r\nhello\r\n0\r\n\r\nP',
  '2;\nxx\r\n4d\r\n0\r\n\r\nP',
  '2\r\nxx45\r\n0\r\n\r\nP',
  '5\r\nhello\r\n0\r\nContent-Length: 60\r\n\r\nP',
  '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\nP',
  '5\r\nhello\r\n0\r\nHost: b\r\nX-Front: trailer\r\n\r\nP',
  '5\r\nhello\r\n0\r\nX: y\nZ: z\r\n\r\nP',
  '5\r\nhello\r\n0\r\nX: y\n\nP',
  '5\r\nhello\r\n0\r\nX : y\r\n\r\nP',
  '5\r\nhello\r\n0\r\n X: y\r\n\r\nP',
  '5\r\nhello\r\n0\r\n: y\r\n\r\nP',
  '5\r\nhello\r\n0\r\nP',
  '5\r\nhello\r\n0\r\nX: y\r\nP',
  '5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\nP',
  '5\r\nhello\r\n0\r\nX\x00: y\r\n\r\nP',
];

/** Targets with different ways to answer: by a handler that reads the body or does not, by the engine. */
export const TARGETS = ['/echo', '/early', '/static', '/moved', '/none', '/file.txt'];

/**
 * @typedef {object} Attack
 * @property {string} name
 * @property {(string | Buffer | number)[]} pieces bytes, and milliseconds between them
 * @property {boolean} [http2]
 */

/** @returns {Attack[]} for a front that speaks HTTP/1 */
export function http1Attacks() {
  const all = [];
  const add = (name, ...pieces) => all.push({ name, pieces });
  const post = (lines, { path = '/echo', method = 'POST', version = 'HTTP/1.1' } = {}) =>
    `${method} ${path} ${version}\r\nHost: a\r\n${lines}\r\n\r\n`;
  const chunked = (text) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

  for (const [kind, poison] of Object.entries(POISON)) {
    for (const line of TRANSFER_ENCODINGS) {
      const body = `0\r\n\r\n${poison}`;
      const about = `${JSON.stringify(line)}, ${kind}`;
      add(`CL.TE ${about}`, post(`Content-Length: ${body.length}\r\n${line}`), body);
      const inner = chunked(poison);
      const size = inner.indexOf('\r\n') + 2;
      add(`TE.CL ${about}`, post(`${line}\r\nContent-Length: ${size}`), inner);
      add(`TE.0 ${about}`, post(line), body);
    }
    for (const line of LENGTHS) {
      const lines = line.replaceAll('N', (_, at) => (isName(line, at) ? 'N' : poison.length));
      const about = `${JSON.stringify(line)}, ${kind}`;
      add(`CL.0 ${about}`, post(lines), poison);
      add(`0.CL ${about}`, post(lines, { method: 'GET', path: '/early' }), poison);
    }
    for (const chunks of CHUNKS) {
      const body = chunks.replace('P', poison);
      add(`chunks ${JSON.stringify(chunks)}, ${kind}`, post('Transfer-Encoding: chunked'), body);
    }
    for (const path of TARGETS) {
      const sized = `Content-Length: ${poison.length}`;
      for (const method of ['POST', 'GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT', 'TRACE', 'get']) {
        const head = post(sized, { path, method });
        add(`CL.0 ${method} ${path}, ${kind}`, head + poison);
      }
      add(`pause ${path}, ${kind}`, post(sized, { path }), 60, poison);
      add(
        `pause in chunks ${path}, ${kind}`,
        post('Transfer-Encoding: chunked', { path }),
        60,
        chunked(poison),
      );
      for (const expect of [
        '100-continue',
        '100-Continue',
        'y 100-continue',
        '100-continue, x',
        '',
        ' 100-continue\t',
      ]) {
        const about = `Expect "${expect}" ${path}, ${kind}`;
        const lines = `${sized}\r\nExpect: ${expect}`;
        add(`${about}, at once`, post(lines, { path }) + poison);
        add(`${about}, later`, post(lines, { path }), 40, poison);
        add(`${about}, GET`, post(lines, { path, method: 'GET' }), 40, poison);
        add(`${about}, HEAD`, post(lines, { path, method: 'HEAD' }), 40, poison);
      }
      add(
        `Expect in chunks ${path}, ${kind}`,
        post('Transfer-Encoding: chunked\r\nExpect: 100-continue', { path }),
        40,
        chunked(poison),
      );
      add(
        `HEAD twice ${path}, ${kind}`,
        post('X: y', { path, method: 'HEAD' }) + post('X: y', { path, method: 'HEAD' }) + poison,
      );
    }
    for (const version of [
      'HTTP/1.0',
      'HTTP/0.9',
      'HTTP/2.0',
      'HTTP/1.2',
      'http/1.1',
      'HTTP/1.1 ',
      'HTTP/01.1',
      'HTTP/1.10',
      '',
    ]) {
      add(
        `version "${version}" TE, ${kind}`,
        post('Transfer-Encoding: chunked', { version }),
        `0\r\n\r\n${poison}`,
      );
      add(
        `version "${version}" TE and kept, ${kind}`,
        post('Transfer-Encoding: chunked\r\nConnection: keep-alive', { version }),
        `0\r\n\r\n${poison}`,
      );
      add(
        `version "${version}" CL, ${kind}`,
        post(`Content-Length: ${poison.length}\r\nConnection: keep-alive`, { version }),
        poison,
      );
    }
    const upgrades = {
      websocket:
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'websocket of an old version':
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      h2c: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
      'h2c without Connection': 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
      both: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    };
    for (const [about, lines] of Object.entries(upgrades)) {
      for (const path of [...TARGETS, '/ws']) {
        add(
          `upgrade to ${about} ${path}, ${kind}`,
          post(lines, { path, method: 'GET' }),
          20,
          poison,
        );
      }
      add(
        `upgrade to ${about} with a body, ${kind}`,
        post(`${lines}\r\nContent-Length: ${poison.length}`, { path: '/ws' }),
        20,
        poison,
      );
      add(
        `upgrade to ${about} in chunks, ${kind}`,
        post(`${lines}\r\nTransfer-Encoding: chunked`, { path: '/ws', method: 'GET' }),
        20,
        `0\r\n\r\n${poison}`,
      );
    }
    for (const [about, head] of Object.entries({
      'bare LF': `POST /echo HTTP/1.1\nHost: a\nContent-Length: ${poison.length}\n\n`,
      'bare LF at the end': `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${poison.length}\r\n\n`,
      'bare LF, then CRLF': `POST /echo HTTP/1.1\r\nHost: a\n\r\n`,
      'LF LF in the head': `POST /echo HTTP/1.1\r\nHost: a\n\nContent-Length: ${poison.length}\r\n\r\n`,
      'CR CR in the head': `POST /echo HTTP/1.1\r\nHost: a\r\rContent-Length: ${poison.length}\r\n\r\n`,
      'CR LF CR in the head': `POST /echo HTTP/1.1\r\nHost: a\r\n\rContent-Length: ${poison.length}\r\n\r\n`,
      'a fold first': `POST /echo HTTP/1.1\r\n X: y\r\nHost: a\r\nContent-Length: ${poison.length}\r\n\r\n`,
      'a fold': `POST /echo HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: ${poison.length}\r\n\r\n`,
      'an empty fold': `POST /echo HTTP/1.1\r\nHost: a\r\n \r\nContent-Length: ${poison.length}\r\n\r\n`,
      'two hosts': `GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
      'another host in the target': `GET http://b/echo HTTP/1.1\r\nHost: a\r\n\r\n`,
      'a space in the target': `GET /echo HTTP/1.1\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n`,
      'a target in the target': `GET /echo HTTP/1.1 /other HTTP/1.1\r\nHost: a\r\n\r\n`,
      'tabs in the line': `GET\t/echo\tHTTP/1.1\r\nHost: a\r\n\r\n`,
      'NUL in the target': `GET /echo\0 HTTP/1.1\r\nHost: a\r\n\r\n`,
      'LF in the target': `GET /ec\nho HTTP/1.1\r\nHost: a\r\n\r\n`,
      'CR in the target': `GET /ec\rho HTTP/1.1\r\nHost: a\r\n\r\n`,
      'empty lines first': `\r\n\r\n\n\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n`,
      CONNECT: 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n',
      'CONNECT with a length': `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: ${poison.length}\r\n\r\n`,
      'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'Connection names a field':
        'GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close, X-Front, Host\r\n\r\n',
      'Keep-Alive':
        'GET /echo HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n',
      'close, and more': 'GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      'Proxy-Connection': 'GET /echo HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n',
      'a large field': `GET /echo HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      'many fields': `GET /echo HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(101)}\r\n`,
      'a body over the limit': `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n`,
    })) {
      add(`${about}, ${kind}`, head + poison);
      add(`${about}, ${kind}, later`, head, 30, poison);
    }
  }
  return all;
}

/** Whether the letter at this place belongs to a word. */
function isName(line, at) {
  return /[A-Za-z]/.test(line[at - 1] ?? '') || /[a-z]/.test(line[at + 1] ?? '');
}
