// Requests over HTTP/2 that would become something else where a front translates them to HTTP/1.

import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  fieldsOf,
  frame,
  HEADERS,
  headers,
  PADDED,
} from '../../../__test__/http2/raw.mjs';
import { POISON, TARGETS } from './smuggling-http1.mjs';

/** @returns {import('./smuggling-http1.mjs').Attack[]} for a front that speaks HTTP/2, each a connection's frames after SETTINGS */
export function http2Attacks() {
  const all = [];
  const add = (name, ...pieces) => all.push({ name: `HTTP/2 ${name}`, pieces, http2: true });
  for (const [kind, poison] of Object.entries(POISON)) {
    const post = (more, how = {}) => fieldsOf('/echo', { method: 'POST', more, ...how });
    const sent = (fields, body = poison) =>
      Buffer.concat([headers(1, fields, { end: false }), data(1, body, true)]);

    for (const length of [
      0,
      1,
      poison.length - 1,
      poison.length + 1,
      10_000,
      '+5',
      '0x5',
      '5, 5',
      '',
    ]) {
      add(`H2.CL ${length}, ${kind}`, sent(post([['content-length', String(length)]])));
    }
    add(
      `H2.CL twice, ${kind}`,
      sent(
        post([
          ['content-length', '0'],
          ['content-length', String(poison.length)],
        ]),
      ),
    );
    add(
      `H2.CL without a body, ${kind}`,
      headers(1, post([['content-length', '50']]), { end: true }),
    );
    add(`H2.CL upper case, ${kind}`, sent(post([['Content-Length', '0']])));
    for (const value of ['chunked', 'identity', ' chunked', 'x, chunked', 'chunked\r\nX: y', '']) {
      const body = `0\r\n\r\n${poison}`;
      add(
        `H2.TE ${JSON.stringify(value)}, ${kind}`,
        sent(post([['transfer-encoding', value]]), body),
      );
      add(
        `H2.TE in a trailer ${JSON.stringify(value)}, ${kind}`,
        Buffer.concat([
          headers(1, post([]), { end: false }),
          data(1, body),
          headers(1, [['transfer-encoding', value]], { end: true }),
        ]),
      );
    }
    for (const name of [
      'connection',
      'keep-alive',
      'proxy-connection',
      'upgrade',
      'te',
      'host',
      'expect',
      'http2-settings',
      'trailer',
    ]) {
      for (const value of [
        'keep-alive',
        'transfer-encoding',
        '100-continue',
        'b',
        'h2c',
        'trailers, x',
      ]) {
        add(`field ${name}: ${value}, ${kind}`, sent(post([[name, value]])));
      }
    }
    const injected = [
      '\r\nTransfer-Encoding: chunked',
      '\nTransfer-Encoding: chunked',
      '\rTransfer-Encoding: chunked',
      `\r\n\r\n${poison}`,
      `\n\n${poison}`,
      '\0',
      '\r',
      '\n',
      ' ',
      '\x0b',
      '\x7f',
      '\xff',
    ];
    for (const bytes of injected) {
      const about = `${JSON.stringify(bytes.slice(0, 30))}, ${kind}`;
      add(`in a value ${about}`, sent(post([['x-field', `y${bytes}`]])));
      add(`first in a value ${about}`, sent(post([['x-field', `${bytes}y`]])));
      add(`in a name ${about}`, sent(post([[`x-field${bytes}`, 'y']])));
      add(`as a name's value ${about}`, sent(post([[`x-field: y${bytes}`, 'y']])));
      add(`in :path ${about}`, sent(fieldsOf(`/echo${bytes}`, { method: 'POST' })));
      add(`in :path's line ${about}`, sent(fieldsOf(`/echo HTTP/1.1${bytes}`, { method: 'POST' })));
      add(`in :method ${about}`, sent(post([], { method: `POST${bytes}` })));
      add(`as :method's line ${about}`, sent(post([], { method: `POST /other HTTP/1.1${bytes}` })));
      add(`in :authority ${about}`, sent(post([], { authority: `a${bytes}` })));
      add(
        `in :scheme ${about}`,
        sent([
          [':method', 'POST'],
          [':scheme', `http${bytes}`],
          [':authority', 'a'],
          [':path', '/echo'],
        ]),
      );
      add(
        `in a cookie ${about}`,
        sent(
          post([
            ['cookie', `a=b${bytes}`],
            ['cookie', 'c=d'],
          ]),
        ),
      );
      add(
        `in a trailer ${about}`,
        Buffer.concat([
          headers(1, post([]), { end: false }),
          data(1, 'hello'),
          headers(1, [['x-trailer', `y${bytes}`]], { end: true }),
        ]),
      );
    }
    const odd = {
      'two paths': [...post([]), [':path', '/poison']],
      'a pseudo-field behind': [...fieldsOf('/echo', { more: [['x', 'y']] }), [':path', '/poison']],
      'no path': [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':authority', 'a'],
      ],
      'an empty path': [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', ''],
      ],
      'a path without a slash': fieldsOf('poison', { method: 'POST' }),
      'a whole URL as path': fieldsOf('http://b/poison', { method: 'POST' }),
      'a star as path': fieldsOf('*', { method: 'OPTIONS' }),
      'an empty method': post([], { method: '' }),
      'a small method': post([], { method: 'post' }),
      'another host': post([['host', 'b']], { authority: 'a' }),
      'an authority with a user': post([], { authority: 'a@b' }),
      'an unknown pseudo-field': [[':odd', 'x'], ...post([])],
      'a name that begins with a colon': post([[':x', 'y']]),
      'an empty name': post([['', 'y']]),
      'a scheme that is a URL': [
        [':method', 'POST'],
        [':scheme', 'http://b/poison?'],
        [':authority', 'a'],
        [':path', '/echo'],
      ],
      'a name with a colon': post([['transfer-encoding:chunked', 'y']]),
      'an underscore': post([
        ['transfer_encoding', 'chunked'],
        ['content_length', '0'],
      ]),
      CONNECT: [
        [':method', 'CONNECT'],
        [':authority', 'a:80'],
      ],
      'CONNECT for a WebSocket': [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/ws'],
        ['sec-websocket-version', '13'],
      ],
      'CONNECT for a WebSocket, refused': [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/early'],
        ['sec-websocket-version', '13'],
      ],
      'CONNECT for something else': [
        [':method', 'CONNECT'],
        [':protocol', 'h2c'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/echo'],
      ],
    };
    for (const [about, fields] of Object.entries(odd)) add(`${about}, ${kind}`, sent(fields));
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']) {
      for (const path of TARGETS)
        add(`${method} ${path} with a body, ${kind}`, sent(fieldsOf(path, { method })));
    }
    add(`a paused body, ${kind}`, headers(1, post([]), { end: false }), 50, data(1, poison, true));
    add(
      `a paused body nobody reads, ${kind}`,
      headers(1, fieldsOf('/early', { method: 'POST' }), { end: false }),
      50,
      data(1, poison, true),
    );
    add(
      `a padded body, ${kind}`,
      headers(1, post([]), { end: false }),
      frame(0, PADDED | END_STREAM, 1, `\x04${poison}\0\0\0\0`),
    );
    add(
      `a head in two frames, ${kind}`,
      frame(HEADERS, END_STREAM, 1, headers(1, post([])).subarray(9, 15)),
      continuation(1, headers(1, post([])).subarray(15), true),
    );
    add(
      `a reset body, ${kind}`,
      headers(1, post([['content-length', '500']]), { end: false }),
      data(1, poison),
      20,
      frame(3, 0, 1, '\0\0\0\x08'),
    );
    add(
      `a reset body nobody reads, ${kind}`,
      headers(1, fieldsOf('/early', { method: 'POST', more: [['content-length', '500']] }), {
        end: false,
      }),
      data(1, poison),
      20,
      frame(3, 0, 1, '\0\0\0\x08'),
    );
    add(
      `trailers, ${kind}`,
      headers(1, post([]), { end: false }),
      data(1, poison),
      headers(1, [
        ['content-length', '5'],
        ['host', 'b'],
        ['x-front', 'trailer'],
      ]),
    );
    add(
      `several at once, ${kind}`,
      ...[1, 3, 5, 7].map((id) =>
        Buffer.concat([headers(id, post([]), { end: false }), data(id, poison, true)]),
      ),
    );
    add(
      `a head without an end, ${kind}`,
      frame(HEADERS, END_HEADERS | END_STREAM, 1, headers(1, post([])).subarray(9, 20)),
    );
  }
  return all;
}
