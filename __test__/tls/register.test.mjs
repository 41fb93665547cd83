// Programs that were written for node:https, with reactor-rs/node/register.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import plain from 'ava';
import { authority, makeKey, withCertificates } from './certificates.mjs';

const test = withCertificates(plain);
const exec = promisify(execFile);

/** Programs import packages of this checkout, so they lie in it. */
const here = fileURLToPath(new URL('../../build/', import.meta.url));
mkdirSync(here, { recursive: true });
const folder = mkdtempSync(join(here, 'register-tls-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const ca = authority();
const one = ca.issue();
const weak = makeKey('ec');

/** Asks what was served and prints it; the server is then closed. */
const HEAD = `
  const tls = ${JSON.stringify({ cert: one.cert, key: one.key })};
  const ca = ${JSON.stringify(ca.cert)};
  const ask = (server, path = '/') => {
    const { port } = server.address();
    https.get({ port, host: '127.0.0.1', path, ca, agent: false }, (res) => {
      let text = '';
      res.on('data', (piece) => { text += piece; });
      res.on('end', () => {
        console.log(res.statusCode, text, res.headers.server ?? '');
        server.close(() => console.log('closed'));
        server.closeAllConnections();
      });
    });
  };`;

const PROGRAMS = {
  createServer: `
    const server = https.createServer(tls, (req, res) => res.end('' + req.socket.encrypted));
    server.listen(0, '127.0.0.1', () => ask(server));`,
  'new https.Server': `
    const server = new https.Server(tls).on('request', (req, res) => res.end(req.url));
    console.log(server instanceof https.Server);
    server.listen({ port: 0, host: '127.0.0.1' }, () => ask(server, '/a'));`,
  'a class of its own': `
    class Mine extends https.Server {
      constructor() { super(tls, (req, res) => res.end('mine')); }
    }
    const server = new Mine();
    console.log(server instanceof Mine, server instanceof https.Server);
    server.listen(0, '127.0.0.1', () => ask(server));`,
  'an address at once': `
    const server = https.createServer(tls, (req, res) => res.end('ok')).listen(0);
    console.log(typeof server.address().port);
    server.on('listening', () => ask(server));`,
  upgrade: `
    const server = https.createServer(tls, (req, res) => res.end('ok'));
    server.on('upgrade', (req, socket) => socket.end('HTTP/1.1 101 Switching\\r\\nConnection: upgrade\\r\\nUpgrade: x\\r\\n\\r\\n'));
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const headers = { connection: 'upgrade', upgrade: 'x' };
      https.get({ port, host: '127.0.0.1', ca, headers, agent: false }).on('upgrade', (res, socket) => {
        console.log('upgraded', res.statusCode);
        socket.destroy();
        console.log(server.listening);
        ask(server);
      });
    });`,
  // These stay Node's own.
  SNICallback: `
    const SNICallback = (name, done) => done(null, null);
    const server = https.createServer({ ...tls, SNICallback }, (req, res) => res.end('ok'));
    server.listen(0, '127.0.0.1', () => ask(server));`,
  'ciphers of OpenSSL': `
    const ciphers = 'HIGH:!aNULL';
    const server = https.createServer({ ...tls, ciphers }, (req, res) => res.end('ok'));
    server.listen(0, '127.0.0.1', () => ask(server));`,
};

const STAYS = ['SNICallback', 'ciphers of OpenSSL'];

for (const [name, source] of Object.entries(PROGRAMS)) {
  for (const [flag, extension, load] of [
    ['--import', 'mjs', "import https from 'node:https';"],
    ['--require', 'cjs', "const https = require('https');"],
  ]) {
    test(`${name}, ${flag}`, async (t) => {
      const file = join(folder, `${name.replaceAll(' ', '-')}.${extension}`);
      writeFileSync(file, load + HEAD + source);
      const run = async (flags) => exec(process.execPath, [...flags, file], { timeout: 60_000 });
      const plainly = await run([]);
      const registered = await run([flag, 'reactor-rs/node/register']);
      t.is(registered.stdout, plainly.stdout);
      const stays = /a server stays that of node:https/.test(registered.stderr);
      t.is(stays, STAYS.includes(name), registered.stderr);
    });
  }
}

test('mistakes are those of Node', async (t) => {
  const file = join(folder, 'mistake.mjs');
  const options = JSON.stringify({ cert: one.cert, key: weak.key });
  writeFileSync(
    file,
    `import https from 'node:https';
    try { https.createServer(${options}); } catch (error) { console.log(error.code); }`,
  );
  const { stdout } = await exec(process.execPath, ['--import', 'reactor-rs/node/register', file]);
  t.is(stdout, 'ERR_OSSL_X509_KEY_VALUES_MISMATCH\n');
});
