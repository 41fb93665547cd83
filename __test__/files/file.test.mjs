// `file()`: a Blob that is read when it is asked for.

import { execFileSync } from 'node:child_process';
import { openAsBlob, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import test from 'ava';
import { file, Response as OurResponse } from 'reactor-rs';
import { FormData as OtherFormData, Response as OtherResponse } from 'undici';
import { temporary } from '../support/folder.mjs';

function made(t, content = 'Hello, file!', name = 'a.txt') {
  const path = join(temporary(t), name);
  writeFileSync(path, content);
  return path;
}

test('it is a Blob and a File, with name, size, type and time', (t) => {
  const path = made(t);
  utimesSync(path, 1_000_000, 1_000_000);
  const given = file(path);
  t.true(given instanceof Blob);
  t.true(given instanceof File);
  t.is(given.name, 'a.txt');
  t.is(given.size, 12);
  t.is(given.lastModified, 1_000_000_000);
  t.regex(given.type, /^text\/plain; ?charset=utf-8$/i);
  t.is(file('/x/y.unheard-of').type, 'application/octet-stream');
  t.is(file(path, { type: 'a/b' }).type, 'a/b');
  t.regex(inspect(given), /^file \{ path: '.*a\.txt', type: undefined \}$/);
});

test('its content as text, JSON, bytes, a buffer and a stream', async (t) => {
  const given = file(made(t, '\ufeff{"a":"ü"}', 'a.json'));
  t.is(await given.text(), '{"a":"ü"}');
  t.deepEqual(await given.json(), { a: 'ü' });
  const bytes = await given.bytes();
  t.is(Object.prototype.toString.call(bytes), '[object Uint8Array]');
  t.deepEqual(new Uint8Array(await given.arrayBuffer()), bytes);
  t.is(bytes.length, 13);
  t.is(Buffer.concat(await collect(given.stream())).toString(), '\ufeff{"a":"ü"}');
});

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return chunks;
}

test('a large file comes in chunks, and a stream that is cancelled closes it', async (t) => {
  const content = Buffer.alloc(300_000, 'abc');
  const given = file(made(t, content));
  const chunks = await collect(given.stream());
  t.true(chunks.length > 2);
  t.true(content.equals(Buffer.concat(chunks)));
  const reader = given.stream().getReader();
  await reader.read();
  await reader.cancel();
  const byob = given.stream().getReader({ mode: 'byob' });
  const { value } = await byob.read(new Uint8Array(10));
  t.is(Buffer.from(value).toString(), 'abcabcabca');
  await byob.cancel();
});

test('slices are as those of a Blob', async (t) => {
  const content = '0123456789';
  const given = file(made(t, content));
  const blob = new Blob([content]);
  for (const places of [
    ...[[], [2], [2, 5], [0, 0], [5, 2], [-3], [-3, -1], [0, -8], [4, 100], [100], [-100, 3]],
    ...[
      [1.7, 4.2],
      [Number.NaN, 3],
    ],
  ]) {
    const part = given.slice(...places);
    // Node's own ends the process for a fraction.
    const expected = blob.slice(...places.map((place) => Math.trunc(place) || 0));
    t.is(await part.text(), await expected.text(), String(places));
    t.is(part.size, expected.size, String(places));
    t.is(Buffer.concat(await collect(part.stream())).toString(), await expected.text());
  }
  t.is(await given.slice(2, 8).slice(1, -1).text(), '3456');
  t.is(await given.slice(2, 8).slice(-2).text(), '67');
  t.is(given.slice(1).type, '');
  t.is(given.slice(1, 2, 'a/b').type, 'a/b');
});

test('it is looked up when it is used, not before', async (t) => {
  const path = join(temporary(t), 'later.txt');
  const given = file(path);
  t.is(given.size, 0);
  t.is(given.lastModified, 0);
  t.false(await given.exists());
  await t.throwsAsync(given.text(), { code: 'ENOENT' });
  await t.throwsAsync(collect(given.stream()), { code: 'ENOENT' });
  writeFileSync(path, 'there');
  t.true(await given.exists());
  t.is(await given.text(), 'there');
  writeFileSync(path, 'changed');
  t.is(await given.text(), 'changed');
});

test('what is no file is not read', async (t) => {
  const folder = temporary(t);
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  for (const path of [folder, fifo, '/dev/zero']) {
    const given = file(path);
    t.false(await given.exists());
    t.is(given.size, 0);
    await t.throwsAsync(given.text(), { message: /is not a file/ });
    await t.throwsAsync(collect(given.stream()), { message: /is not a file/ });
  }
});

test('a path may be a file: URL; anything else is refused', (t) => {
  const path = made(t, 'x', 'ü b.txt');
  t.is(file(pathToFileURL(path)).name, 'ü b.txt');
  t.is(file(pathToFileURL(path).href).size, 1);
  for (const wrong of [undefined, null, 5, '', 'a\0b', {}, 'https://x/y', new URL('https://x/y')]) {
    t.throws(() => file(wrong), {
      code: 'ERR_REACTOR_INVALID_OPTION',
      message: /^file\(\) takes a path or a file: URL, got /,
    });
  }
  for (const type of [5, 'a\nb', 'ü']) {
    t.throws(() => file(path, { type }), { message: /^the type in file\(\) must be a media type/ });
  }
  t.throws(() => file(path, 'text/html'), { message: /such as \{ type: "text\/html" \}/ });
});

test('Response and FormData, ours, Node’s and undici’s from npm, take it', async (t) => {
  const path = made(t, '<p>', 'a.html');
  const given = file(path, { type: 'text/html' });
  for (const Kind of [OurResponse, Response, OtherResponse]) {
    const response = new Kind(given);
    t.is(response.headers.get('content-type'), 'text/html');
    t.is(await response.clone().text(), '<p>');
    t.is(Buffer.from(await response.arrayBuffer()).toString(), '<p>');
    t.is(
      new Kind(given, { headers: { 'content-type': 'a/b' } }).headers.get('content-type'),
      'a/b',
    );
  }
  for (const [Form, Kind] of [
    [FormData, Response],
    [FormData, OurResponse],
    [OtherFormData, OtherResponse],
  ]) {
    const form = new Form();
    form.append('f', given);
    t.is(form.get('f').name, 'a.html');
    const text = await new Kind(form).text();
    t.regex(text, /name="f"; filename="a\.html"\r\nContent-Type: text\/html\r\n\r\n<p>\r\n/i);
  }
});

test('what would silently lose its content throws', (t) => {
  const given = file(made(t));
  const message = /is not read yet/;
  t.throws(() => new Blob([given]), { message });
  t.throws(() => new File([given], 'x'), { message });
  t.throws(() => `${given}`, { message });
});

test('a Blob of fs.openAsBlob is still one', async (t) => {
  const blob = await openAsBlob(made(t), { type: 'a/b' });
  t.is(await new OurResponse(blob).text(), 'Hello, file!');
});
