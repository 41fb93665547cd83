// Express 5 and what is used with it, on node:http and on this server.

import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import compression from 'compression';
import cookieParser from 'cookie-parser';
import cors from 'cors';
import express from 'express';
import session from 'express-session';
import helmet from 'helmet';
import morgan from 'morgan';
import multer from 'multer';
import onFinished from 'on-finished';
import { FormData } from 'undici';
import { both, until } from './both.mjs';

const FOLDER = mkdtempSync(join(tmpdir(), 'reactor-node-'));
test.after.always(() => rmSync(FOLDER, { recursive: true, force: true }));
const LARGE = Buffer.alloc(700_001, 'The quick brown fox. ');
writeFileSync(join(FOLDER, 'large.txt'), LARGE);
writeFileSync(join(FOLDER, 'page.html'), '<!doctype html><p>page');
writeFileSync(join(FOLDER, 'empty.css'), '');

const LOGS = { node: [], reactor: [] };

/** An application with everything. */
function application(kind) {
  const app = express();
  app.set('env', 'test');
  app.set('trust proxy', true);
  app.use(
    morgan(':method :url :status :res[content-length]', {
      stream: { write: (line) => LOGS[kind].push(line) },
    }),
  );
  app.use('/helmet', helmet());
  app.use('/cors', cors({ origin: 'https://a.example', credentials: true }));
  app.use('/static', express.static(FOLDER, { lastModified: true, maxAge: 1000 }));
  app.use(cookieParser('secret'));
  app.use('/zip', compression({ threshold: 0 }));
  app.use(
    '/session',
    session({ secret: 's', resave: false, saveUninitialized: false, genid: () => 'fixed' }),
  );
  app.use('/json', express.json({ limit: 200_000 }));
  app.use('/form', express.urlencoded({ extended: true }));
  app.use('/raw', express.raw({ type: '*/*', limit: '10mb' }));
  app.use('/text', express.text());

  app.get('/', (_req, res) => void res.send('Hello'));
  app.get('/unicode', (_req, res) => void res.send('žluťoučký 🐎'));
  app.get('/buffer', (_req, res) => void res.send(Buffer.from([0, 255, 128])));
  app.get('/object', (_req, res) => void res.json({ a: [1, 'ž'] }));
  app.get('/status', (_req, res) => void res.sendStatus(418));
  app.get('/no-content', (_req, res) => void res.status(204).send('ignored'));
  app.get('/redirect', (_req, res) => void res.redirect('/elsewhere?a=b'));
  app.get('/redirect-back', (_req, res) => void res.redirect(301, 'https://a.example/ž'));
  app.get('/cookies', (req, res) => {
    res.cookie('a', '1', { httpOnly: true }).cookie('b', 'ž', { signed: true }).clearCookie('c');
    res.json({ cookies: req.cookies, signed: req.signedCookies });
  });
  app.get('/many', (_req, res) => {
    res.append('X-Many', 'a').append('X-Many', ['b', 'c']).vary('Accept').vary('Origin');
    res.links({ next: 'http://a.example/2' }).type('text').end('x');
  });
  app.get('/format', (_req, res) =>
    res.format({
      text: () => res.send('text'),
      html: () => res.send('<p>'),
      json: () => res.send({}),
    }),
  );
  app.get('/jsonp', (_req, res) => void res.jsonp({ a: 1 }));
  app.get('/file', (_req, res) => res.sendFile(join(FOLDER, 'large.txt')));
  app.get('/download', (_req, res) => res.download(join(FOLDER, 'page.html'), 'ž.html'));
  app.get('/no-file', (_req, res, next) => res.sendFile(join(FOLDER, 'none'), next));
  app.get('/stream', async (_req, res) => {
    await pipeline(createReadStream(join(FOLDER, 'large.txt'), { highWaterMark: 5000 }), res);
  });
  app.get('/pipe', (_req, res) => {
    createReadStream(join(FOLDER, 'large.txt')).pipe(res.type('txt'));
  });
  app.get('/sync', () => {
    throw Object.assign(new Error('at once'), { status: 409 });
  });
  app.get('/async', async () => {
    await null;
    throw new Error('later');
  });
  app.get('/item/:id', (req, res) => {
    const { params, query, originalUrl, path, hostname, protocol, ip, ips, secure, xhr } = req;
    res.json({ params, query, originalUrl, path, hostname, protocol, ip, ips, secure, xhr });
  });
  app.get('/zip/text', (_req, res) => void res.type('text').send('compress me '.repeat(500)));
  app.get('/zip/stream', (_req, res) => {
    res.type('text');
    for (let i = 0; i < 5; i++) {
      res.write(`part ${i} `.repeat(100));
    }
    res.end();
  });
  app.get('/zip/file', (_req, res) => res.sendFile(join(FOLDER, 'large.txt')));
  app.get('/session/count', (req, res) => {
    req.session.count = (req.session.count ?? 0) + 1;
    res.json(req.session.count);
  });
  for (const path of ['/json', '/form', '/text']) {
    app.post(path, (req, res) => void res.json({ body: req.body ?? null }));
  }
  app.post('/raw', (req, res) => void res.send(req.body));
  app.post('/echo', (req, res) => {
    res.type(req.get('content-type') ?? 'bin');
    req.pipe(res);
  });
  app.post('/unread', (_req, res) => void res.status(201).send('not read'));
  app.post('/late', async (req, res) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    let length = 0;
    for await (const chunk of req) {
      length += chunk.length;
    }
    res.json({ length, complete: req.complete });
  });
  const upload = multer({ limits: { fileSize: 1_000_000 } });
  app.post('/upload', upload.array('files'), (req, res) => {
    const files = req.files.map(({ originalname, mimetype, size }) => [
      originalname,
      mimetype,
      size,
    ]);
    res.json({ files, fields: req.body });
  });
  app.all('/method', (req, res) => void res.set('X-Method', req.method).send(req.method));
  app.get('/helmet', (_req, res) => void res.send('safe'));
  app.all('/cors', (_req, res) => void res.send('shared'));
  app.get('/finished', (_req, res) => {
    onFinished(res, (error, message) => LOGS[kind].push(`finished ${error} ${message.statusCode}`));
    res.send('x');
  });
  const nested = express.Router({ mergeParams: true });
  nested.get('/', (req, res) => void res.json([req.baseUrl, req.url, req.params]));
  app.use('/nested/:name', nested);
  const inner = express();
  inner.get('/', (req, res) => void res.send(`inner ${req.app === inner} ${res.app === inner}`));
  app.use('/inner', inner);
  app.use((error, _req, res, _next) => {
    res.status(error.status ?? 500).json({ error: error.message, code: error.code ?? error.type });
  });
  return app;
}

let served;
test.before(async () => {
  served = await both((create, kind) => create(application(kind)));
});
test.after.always(() => served.close());

const json = (value) => ({
  method: 'POST',
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});
const put = (body, type) => ({ method: 'POST', body, headers: { 'content-type': type } });
const range = (value) => ({ headers: { range: value } });

/** Path, what else is sent, and the status that is expected of both. */
const CASES = {
  'a text': ['/', {}, 200],
  'a text of more than bytes': ['/unicode', {}, 200],
  bytes: ['/buffer', {}, 200],
  'an object': ['/object', {}, 200],
  'a bare status': ['/status', {}, 418],
  '204 without the body it was given': ['/no-content', {}, 204],
  'a redirect': ['/redirect', {}, 302],
  'a redirect elsewhere': ['/redirect-back', {}, 301],
  'cookies, signed and cleared': [
    '/cookies',
    { headers: { cookie: 'a=b; signed=s%3Ax.bad; j=j%3A%7B%22a%22%3A1%7D' } },
    200,
  ],
  'fields that come more than once': ['/many', {}, 200],
  'a negotiated type': ['/format', { headers: { accept: 'application/json' } }, 200],
  'no acceptable type': ['/format', { headers: { accept: 'image/png' } }, 406],
  jsonp: ['/jsonp?callback=f', {}, 200],
  'HEAD of a text': ['/', { method: 'HEAD' }, 200],
  'HEAD of a file': ['/file', { method: 'HEAD' }, 200],
  OPTIONS: ['/object', { method: 'OPTIONS' }, 200],
  DELETE: ['/method', { method: 'DELETE' }, 200],
  'an unknown path': ['/nothing', {}, 404],
  'an error at once': ['/sync', {}, 409],
  'an error later': ['/async', {}, 500],
  'a bad escape in a path': ['/item/%zz', {}, 400],
  'what a request says of itself': [
    '/item/%C5%BE?a=1&a=2&b[c]=3',
    {
      headers: {
        'x-forwarded-for': '10.0.0.1, 10.0.0.2',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'a.example',
        'x-requested-with': 'XMLHttpRequest',
      },
    },
    200,
  ],
  'a nested router': ['/nested/n%2Fm/?q', {}, 200],
  'an application in an application': ['/inner', {}, 200],
  'a file': ['/file', {}, 200],
  'a file as a download': ['/download', {}, 200],
  'a file that is not there': ['/no-file', {}, 404],
  'a stream through pipeline': ['/stream', {}, 200],
  'a stream through pipe': ['/pipe', {}, 200],
  'a static file': ['/static/page.html', {}, 200],
  'an empty static file': ['/static/empty.css', {}, 200],
  'a large static file': ['/static/large.txt', {}, 200],
  'a range': ['/static/large.txt', range('bytes=100-299'), 206],
  'the end of a file': ['/static/large.txt', range('bytes=-77'), 206],
  'a range that is not there': ['/static/large.txt', range('bytes=800000-'), 416],
  'HEAD of a range': ['/static/large.txt', { method: 'HEAD', ...range('bytes=0-9') }, 206],
  'a static directory': ['/static/', {}, 404],
  'a path out of the folder': ['/static/..%2f..%2fetc/passwd', {}, 404],
  'a compressed text': ['/zip/text', { headers: { 'accept-encoding': 'gzip' } }, 200],
  'a compressed stream': ['/zip/stream', { headers: { 'accept-encoding': 'br' } }, 200],
  'a compressed file': ['/zip/file', { headers: { 'accept-encoding': 'gzip, deflate' } }, 200],
  'a text that is not to be compressed': ['/zip/text', {}, 200],
  helmet: ['/helmet', {}, 200],
  cors: ['/cors', { headers: { origin: 'https://a.example' } }, 200],
  'a cors preflight': [
    '/cors',
    {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
    },
    204,
  ],
  'a session': ['/session/count', {}, 200],
  'a json body': ['/json', json({ a: [1, 'ž'] }), 200],
  'a broken json body': ['/json', put('{"a":', 'application/json'), 400],
  'a json body over its limit': ['/json', json('x'.repeat(300_000)), 413],
  'a body of an unknown charset': ['/json', put('{}', 'application/json; charset=x'), 415],
  'no body': ['/json', { method: 'POST' }, 200],
  'a form': ['/form', put('a=1&b[]=2&b[]=3&c=%C5%BE', 'application/x-www-form-urlencoded'), 200],
  'a text body': ['/text', put('žluť', 'text/plain'), 200],
  'a raw body': ['/raw', put(Buffer.from([0, 200, 13, 10]), 'application/x'), 200],
  'a large raw body': ['/raw', put(Buffer.alloc(2_000_000, 'abc'), 'application/x'), 200],
  'a body that is read late': ['/late', put(Buffer.alloc(50_000, 'x'), 'a/b'), 200],
  'a large body that is read late': ['/late', put(Buffer.alloc(900_000, 'x'), 'a/b'), 200],
  'a body that nobody reads': ['/unread', put('x'.repeat(1000), 'a/b'), 201],
  'a body echoed while it comes': ['/echo', put(Buffer.alloc(900_000, 'ab'), 'text/plain'), 200],
};

for (const [name, [path, options, status]] of Object.entries(CASES)) {
  test(`express: ${name}`, async (t) => {
    t.is((await served.same(t, path, options)).status, status);
  });
}

test('express: an ETag that the client has is a 304', async (t) => {
  for (const path of ['/', '/static/large.txt', '/file']) {
    const { headers } = await served.same(t, path);
    const again = { headers: { 'if-none-match': headers.etag } };
    t.is((await served.same(t, path, again)).status, 304);
  }
});

test('express: If-Range and If-Modified-Since', async (t) => {
  const { headers } = await served.same(t, '/static/large.txt');
  const since = { headers: { 'if-modified-since': headers['last-modified'] } };
  t.is((await served.same(t, '/static/large.txt', since)).status, 304);
  const same = { headers: { range: 'bytes=0-1', 'if-range': headers.etag } };
  t.is((await served.same(t, '/static/large.txt', same)).status, 206);
  const other = { headers: { range: 'bytes=0-1', 'if-range': '"other"' } };
  t.is((await served.same(t, '/static/large.txt', other)).status, 200);
});

test('express: a file arrives byte by byte as it is', async (t) => {
  for (const path of ['/static/large.txt', '/file', '/stream', '/pipe']) {
    t.true((await served.same(t, path)).body.equals(LARGE));
  }
});

test('express: uploads through multer', async (t) => {
  const upload = (size) => {
    const body = new FormData();
    body.append('name', 'ž');
    body.append('files', new Blob(['a'.repeat(10)], { type: 'text/plain' }), 'a.txt');
    body.append('files', new Blob([Buffer.alloc(size)]), 'large.bin');
    return { method: 'POST', body };
  };
  const { body } = await served.same(t, '/upload', upload(600_000));
  t.deepEqual(JSON.parse(body), {
    files: [
      ['a.txt', 'text/plain', 10],
      ['large.bin', 'application/octet-stream', 600_000],
    ],
    fields: { name: 'ž' },
  });
  t.is((await served.same(t, '/upload', upload(1_100_000))).status, 500);
});

test('express: a session goes on with its cookie', async (t) => {
  const { headers } = await served.same(t, '/session/count');
  const cookie = [headers['set-cookie']].flat()[0].split(';')[0];
  t.is(String((await served.same(t, '/session/count', { headers: { cookie } })).body), '2');
});

test('express: morgan and on-finished see the ends of responses', async (t) => {
  await served.same(t, '/finished?morgan');
  const logged = (kind) => LOGS[kind].filter((line) => /finished/.test(line)).sort();
  await until(() => logged('reactor').length === 2 && logged('node').length === 2, 'the logs');
  t.deepEqual(logged('reactor'), logged('node'));
  t.deepEqual(logged('reactor'), ['GET /finished?morgan 200 1\n', 'finished null 200']);
});
