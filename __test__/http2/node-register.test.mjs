// Programs that were written for node:http2, with and without reactor-rs/node/register.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import plain from 'ava';
import { authority, withCertificates } from '../tls/certificates.mjs';

const test = withCertificates(plain);
const exec = promisify(execFile);

/** Programs import packages of this checkout, so they lie in it. */
const here = fileURLToPath(new URL('../../build/', import.meta.url));
mkdirSync(here, { recursive: true });
const folder = mkdtempSync(join(here, 'register-http2-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const ca = authority();
const { cert, key } = ca.issue();

/** Asks what was served and prints it, and which server it was; the server is then closed. */
const HEAD = `
  const tls = ${JSON.stringify({ cert, key })};
  const ask = (server, scheme = 'http') => {
    const url = scheme + '://127.0.0.1:' + server.address().port;
    const client = connect(url, { ca: ${JSON.stringify(ca.cert)} });
    const stream = client.request({ ':path': '/a' });
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (fields) => console.log(fields[':status']));
    stream.on('data', (piece) => { text += piece; });
    stream.on('close', () => {
      console.log(text);
      console.error('sockets' in server ? 'engine' : 'node');
      client.close();
      server.close(() => console.log('closed'));
    });
  };`;

const PROGRAMS = {
  'createServer by name': `
    import { connect, createServer } from 'node:http2';
    ${HEAD}
    const server = createServer((req, res) => res.end(req.httpVersion + req.url));
    server.listen(0, '127.0.0.1', () => ask(server));`,
  'createSecureServer of the module': `
    import http2, { connect } from 'http2';
    ${HEAD}
    const server = http2.createSecureServer({ ...tls, allowHTTP1: true });
    server.on('stream', (stream) => { stream.respond(); stream.end('stream'); });
    server.listen(0, '127.0.0.1', () => ask(server, 'https'));`,
  fastify: `
    import { connect } from 'node:http2';
    import fastify from 'fastify';
    ${HEAD}
    const app = fastify({ http2: true });
    app.get('/:name', async (req) => ({ hello: req.params.name }));
    await app.listen({ port: 0, host: '127.0.0.1' });
    ask(app.server);`,
};

/** What a program printed. */
async function run(name, source, ...flags) {
  const file = join(folder, `${name.replaceAll(' ', '-')}${flags.length}.mjs`);
  writeFileSync(file, source);
  return exec(process.execPath, [...flags, file], { timeout: 60_000 });
}

for (const [name, source] of Object.entries(PROGRAMS)) {
  test(name, async (t) => {
    const [own, registered] = await Promise.all([
      run(name, source),
      run(name, source, '--import', 'reactor-rs/node/register'),
    ]);
    t.regex(own.stdout, /closed\n$/);
    t.is(registered.stdout, own.stdout);
    t.regex(own.stderr, /node\n$/);
    t.is(registered.stderr, 'engine\n');
  });
}

test('a server stays that of Node for an option that the engine has not', async (t) => {
  const source = `
    import { connect, createServer } from 'node:http2';
    ${HEAD}
    const server = createServer({ paddingStrategy: 1 }, (req, res) => res.end('padded'));
    server.listen(0, '127.0.0.1', () => ask(server));`;
  const { stdout, stderr } = await run('stays', source, '--import', 'reactor-rs/node/register');
  t.is(stdout, '200\npadded\nclosed\n');
  t.regex(stderr, /stays that of node:http2, because it has the option "paddingStrategy"/);
  t.regex(stderr, /node\n$/);
});
