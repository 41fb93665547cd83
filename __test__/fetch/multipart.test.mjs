// Forms in parts: what RFC 7578 and RFC 2046 allow, and what browsers write.

import { File } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { serve } from 'reactor-rs';
import { GenuineResponse } from '../../dist/fetch/genuine.js';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { converse } from '../support/conversation.mjs';

const FORM = 'Content-Disposition: form-data; name="a"';
const END = '--B--\r\n';

const part = (header, body = 'x') => `--B\r\n${header}\r\n\r\n${body}\r\n`;

/** A form as a list: texts, and of files name, type and content. */
async function listed(form) {
  const list = [];
  for (const [name, value] of form) {
    list.push(
      typeof value === 'string'
        ? [name, value]
        : [name, value.name, value.type, await value.text()],
    );
  }
  return list;
}

const read = async (body, type = 'multipart/form-data; boundary=B') =>
  listed(await new Response(body, { headers: { 'content-type': type } }).formData());

const latin1 = (text) => Buffer.from(text, 'latin1');

const X = [['a', 'x']];
const FILE = 'Content-Disposition: form-data; name="a"; filename=';

/** What is sent, and what it is. */
const FORMS = {
  'one field': [part(FORM) + END, X],
  'two fields': [part(FORM) + part(FORM, 'y\r\nz') + END, [...X, ['a', 'y\r\nz']]],
  'an empty field': [part(FORM, '') + END, [['a', '']]],
  'no field': [END, []],
  'a file': [
    part(`${FILE}"f.txt"\r\nContent-Type: Text/HTML; charset=utf-8`) + END,
    [['a', 'f.txt', 'text/html; charset=utf-8', 'x']],
  ],
  'a file of no type': [part(`${FILE}"f"`) + END, [['a', 'f', 'text/plain', 'x']]],
  'a file field without a file': [
    part(`${FILE}""\r\nContent-Type: application/octet-stream`, '') + END,
    [['a', '', 'application/octet-stream', '']],
  ],
  'a name without quotes': [part('Content-Disposition: form-data; name=a') + END, X],
  'a filename without quotes': [part(`${FILE}f.txt`) + END, [['a', 'f.txt', 'text/plain', 'x']]],
  'filename*, as .NET sends it': [
    part(`${FILE}n.txt; filename*=utf-8''n%C3%A9%20.txt`) + END,
    [['a', 'né .txt', 'text/plain', 'x']],
  ],
  'filename* before filename': [
    part(`Content-Disposition: form-data; filename*=UTF-8'en'%e2%82%ac; filename="n"; name=a`) +
      END,
    [['a', '€', 'text/plain', 'x']],
  ],
  'filename* in latin1': [
    part(`${FILE}"n"; filename*=iso-8859-1''n%E9`) + END,
    [['a', 'né', 'text/plain', 'x']],
  ],
  'filename* that is none': [
    part(`${FILE}"n"; filename*=utf-8''%zz`) + END,
    [['a', 'n', 'text/plain', 'x']],
  ],
  'no blank after the colon': [part('Content-Disposition:form-data;name="a"') + END, X],
  'more blanks': [part('Content-Disposition:  form-data ;  name = "a" ; ') + END, X],
  'names in capitals': [part('CONTENT-DISPOSITION: FORM-DATA; NAME="a"') + END, X],
  'other fields first': [part(`Content-Type: text/plain\r\nX-A: b\r\n${FORM}`) + END, X],
  'a folded field': [part('Content-Disposition: form-data;\r\n name="a"') + END, X],
  'a preamble': [`This is MIME.\r\n\r\n${part(FORM)}${END}`, X],
  'an epilogue': [`${part(FORM)}${END}The end.\r\n--B\r\n`, X],
  'no line end behind the last boundary': [`${part(FORM)}--B--`, X],
  'blanks behind the boundaries': [`--B \t\r\n${FORM}\r\n\r\nx\r\n--B-- \t\r\n`, X],
  'a body that looks like a boundary': [
    part(FORM, '\r\n--\r\n--C\r\n-B\r\n--b\r\n') + END,
    [['a', '\r\n--\r\n--C\r\n-B\r\n--b\r\n']],
  ],
  'non-ASCII names, as browsers send them': [
    part('Content-Disposition: form-data; name="é"; filename="€😀.txt"', 'ü') + END,
    [['é', '€😀.txt', 'text/plain', 'ü']],
  ],
  'quotes and line ends, as browsers escape them': [
    part('Content-Disposition: form-data; name="a%22%0D%0A%41"; filename="%22%25"') + END,
    [['a"\r\n%41', '"%25', 'text/plain', 'x']],
  ],
  'quotes, as curl escapes them': [
    part('Content-Disposition: form-data; name="a\\"b"; filename="c\\"; d"') + END,
    [['a"b', 'c"; d', 'text/plain', 'x']],
  ],
  'backslashes that escape nothing': [
    part(`${FILE}"C:\\dir\\f.txt"`) + part(`${FILE}"f\\"`) + END,
    [
      ['a', 'C:\\dir\\f.txt', 'text/plain', 'x'],
      ['a', 'f\\', 'text/plain', 'x'],
    ],
  ],
  'a semicolon in a name': [
    part('Content-Disposition: form-data; name="a;b"; filename="c; name=d"') + END,
    [['a;b', 'c; name=d', 'text/plain', 'x']],
  ],
  'a byte order mark, which is the text’s': [part(FORM, '\ufeffx') + END, [['a', '\ufeffx']]],
  'bytes that are no UTF-8': [latin1(part(FORM, '\xff') + END), [['a', '\ufffd']]],
  'a field in latin1': [
    latin1(part(`${FORM}\r\nContent-Type: text/plain; charset=ISO-8859-1`, '\xe9') + END),
    [['a', 'é']],
  ],
  'a charset that nobody knows': [
    part(`${FORM}\r\nContent-Type: text/plain; charset=x-none`, 'é') + END,
    [['a', 'é']],
  ],
  'a charset for all': [
    latin1(
      part('Content-Disposition: form-data; name="_charset_"', 'iso-8859-2') +
        part(FORM, '\xe8') +
        part(`${FORM}\r\nContent-Type: text/plain; charset=utf-8`, '\xc3\xa9') +
        END,
    ),
    [
      ['_charset_', 'iso-8859-2'],
      ['a', 'č'],
      ['a', 'é'],
    ],
  ],
  'a content in base64': [
    part(`${FORM}\r\nContent-Transfer-Encoding: BASE64`, 'aG\r\nk=') + END,
    [['a', 'hi']],
  ],
  'a name twice': [part(`${FORM}; name="b"`) + END, X],
  'a name that objects have': [
    part('Content-Disposition: form-data; name="__proto__"') + END,
    [['__proto__', 'x']],
  ],
};

for (const [name, [body, wanted]] of Object.entries(FORMS)) {
  test(`a form with ${name}`, async (t) => {
    t.deepEqual(await read(body), wanted);
    // In every way to cut it in two, and byte by byte.
    const bytes = Buffer.from(body);
    const streamed = (pieces) =>
      new ReadableStream({
        start(controller) {
          for (const piece of pieces) {
            controller.enqueue(new Uint8Array(piece));
          }
          controller.close();
        },
      });
    for (let at = 1; at < bytes.length; at++) {
      const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
      t.deepEqual(await read(streamed(pieces)), wanted, `cut at ${at}`);
    }
    const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    t.deepEqual(await read(streamed(single)), wanted);
  });
}

const NO_FORMS = {
  nothing: '',
  'no boundary': 'a=b',
  'no last boundary': part(FORM),
  'a part without an end': `--B\r\n${FORM}\r\n\r\nx`,
  'a header without an end': `--B\r\n${FORM}`,
  'a header that is cut off by a boundary': `--B\r\n${FORM}\r\n--B--\r\n`,
  'a part without a header': `--B\r\n\r\nx\r\n${END}`,
  'a part without a name': part('Content-Disposition: form-data; filename="a"') + END,
  'a part without a disposition': part('Content-Type: text/plain') + END,
  'another disposition': part('Content-Disposition: attachment; name="a"') + END,
  'a disposition that cannot be read': part('Content-Disposition: form-data; name="a') + END,
  'text behind a string': part('Content-Disposition: form-data; name="a"b') + END,
  'a header that is too long':
    part(`Content-Disposition: form-data; name="${'a'.repeat(20_000)}"`) + END,
  'too many parts': part(FORM).repeat(4097) + END,
};

for (const [name, body] of Object.entries(NO_FORMS)) {
  test(`no form: ${name}`, async (t) => {
    const error = await t.throwsAsync(read(body), { instanceOf: TypeError });
    t.is(error.message, 'Failed to parse body as FormData.');
    t.true(error.cause instanceof Error);
  });
}

test('a large file, in one piece and in many', async (t) => {
  const file = randomBytes(4 * 1024 * 1024);
  const body = Buffer.concat([
    Buffer.from(`${part(FORM)}--B\r\n${FILE}"f"\r\n\r\n`),
    file,
    Buffer.from(`\r\n${END}`),
  ]);
  for (const size of [body.length, 300_000, 65_536]) {
    let at = 0;
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(body.subarray(at, at + size)));
        at += size;
        if (at >= body.length) {
          controller.close();
        }
      },
    });
    const headers = { 'content-type': 'multipart/form-data; boundary=B' };
    const form = await new Response(stream, { headers }).formData();
    t.is(form.get('a'), 'x');
    const [, got] = form.getAll('a');
    t.true(Buffer.from(await got.arrayBuffer()).equals(file), String(size));
  }
});

test('as many parts as there may be', async (t) => {
  t.is((await read(part(FORM).repeat(4096) + END)).length, 4096);
});

test('the boundary is what the content-type says', async (t) => {
  for (const type of [
    'multipart/form-data; boundary="B"',
    'Multipart/Form-Data;boundary=B',
    'multipart/form-data; charset=utf-8; Boundary="B"; x=y',
  ]) {
    t.deepEqual(await read(part(FORM) + END, type), X, type);
  }
  const odd = "B'()+_,-./:=? B";
  const body = (part(FORM) + END).replaceAll('--B', `--${odd}`);
  t.deepEqual(await read(body, `multipart/form-data; boundary="${odd}"`), X);
  for (const type of [
    'multipart/form-data',
    'multipart/form-data; boundary=',
    `multipart/form-data; boundary=${'b'.repeat(300)}`,
    'multipart/mixed; boundary=B',
    'text/plain',
  ]) {
    await t.throwsAsync(read(part(FORM) + END, type), { instanceOf: TypeError }, type);
  }
  t.deepEqual(await read('a=x&b=%C3%A9', 'application/x-www-form-urlencoded'), [...X, ['b', 'é']]);
});

test('what Node writes is read as it was', async (t) => {
  const form = new FormData();
  form.append('plain', 'text');
  form.append('odd "name"\n', 'line\nend\r\n');
  form.append('file', new File(['é'.repeat(100_000)], 'n "é".bin', { type: 'x/y' }));
  form.append('file', new Blob([Uint8Array.of(0, 255, 13, 10, 45, 45)]));
  const list = await listed(await new GenuineResponse(form).formData());
  t.deepEqual(await listed(await new Response(form).formData()), list);
  // A file's bytes are not decoded on the way.
  const [, , , bytes] = [...(await new Response(form).formData())].map(([, value]) => value);
  t.deepEqual([...new Uint8Array(await bytes.arrayBuffer())], [0, 255, 13, 10, 45, 45]);
});

test('a body is read once, and says so at once', async (t) => {
  const make = () =>
    new Response(part(FORM) + END, {
      headers: { 'content-type': 'multipart/form-data; boundary=B' },
    });
  const response = make();
  const reading = response.formData();
  t.true(response.bodyUsed);
  await t.throwsAsync(response.formData(), { instanceOf: TypeError });
  t.is((await reading).get('a'), 'x');
  const streamed = new Response(make().body, make());
  const first = streamed.formData();
  t.true(streamed.bodyUsed);
  await t.throwsAsync(streamed.formData(), { instanceOf: TypeError });
  t.is((await first).get('a'), 'x');
});

test('uploads, whole and piece by piece, and one that is no form', async (t) => {
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    workerThreads: 1,
    async fetch(request) {
      try {
        const form = await request.formData();
        return Response.json(
          (await listed(form)).map((entry) => [...entry.slice(0, -1), entry.at(-1).length]),
        );
      } catch (error) {
        return new Response(String(error.cause), { status: 400 });
      }
    },
  });
  t.teardown(() => server.stop({ force: true }));
  const head = (more) =>
    `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=B\r\n${more}\r\n\r\n`;
  const answered = async (pieces) => {
    const [, status, body] = /^HTTP\/1.1 (\d+).*?\r\n\r\n(.*)$/s.exec(
      String(await converse(server.port, pieces)),
    );
    return [Number(status), body];
  };
  for (const length of [10, 1_000_000]) {
    const body = part(FORM) + part(`${FILE}"f"`, 'y'.repeat(length)) + END;
    const wanted = JSON.stringify([
      ['a', 1],
      ['a', 'f', 'text/plain', length],
    ]);
    t.deepEqual(await answered([head(`Content-Length: ${body.length}`), body]), [200, wanted]);
    const half = body.length >> 1;
    const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
    t.deepEqual(
      await answered([
        head('Transfer-Encoding: chunked'),
        chunk(body.slice(0, half)),
        10,
        chunk(body.slice(half)),
        '0\r\n\r\n',
      ]),
      [200, wanted],
    );
  }
  // Refused at its first part; the rest is thrown away, and the answer still comes.
  const bad = part('Content-Type: x/y') + part(`${FILE}"f"`, 'y'.repeat(1_000_000)) + END;
  const [status, text] = await answered([head(`Content-Length: ${bad.length}`), bad]);
  t.is(status, 400);
  t.regex(text, /a part is not called form-data/);
});
