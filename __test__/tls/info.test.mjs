// What handlers learn of a connection with TLS.

import { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import plain from 'ava';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);

const ca = authority();
const { cert, key } = ca.issue();
const tls = { cert, key };

/** A server whose handler keeps what it learns. */
async function learn(t, options) {
  const seen = [];
  const server = await start(t, {
    tls: { ...tls, ...options },
    fetch: (_, { tls: info }) => {
      seen.push(info);
      return new Response('ok');
    },
  });
  const ask = async (client) => {
    await get(server.url.href, { ca: ca.cert, ...client });
    return seen.at(-1);
  };
  return { server, ask };
}

test('version, cipher, ALPN, name and resumption', async (t) => {
  const { server, ask } = await learn(t);
  const info = await ask({ servername: 'localhost', ALPNProtocols: ['http/1.1'] });
  t.like(info, {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    standardCipher: 'TLS_AES_128_GCM_SHA256',
    alpnProtocol: 'http/1.1',
    serverName: 'localhost',
    resumed: false,
    authorized: false,
    authorizationError: undefined,
    peerCertificate: undefined,
  });
  t.is(typeof info.group, 'string');
  t.regex(inspect(info), /TlsInfo \{\s+version: 'TLSv1\.3'/);
  const older = await ask({ maxVersion: 'TLSv1.2' });
  t.like(older, {
    version: 'TLSv1.2',
    cipher: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    standardCipher: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    alpnProtocol: undefined,
    serverName: undefined,
  });
  const { session } = await get(server.url.href, { ca: ca.cert });
  t.true((await ask({ session })).resumed);
});

test('the certificate of the client, and whether it is accepted', async (t) => {
  const client = ca.issue({ names: ['someone.test'], use: 'client' });
  const stranger = authority({ name: 'Others' }).issue({ names: ['stranger.test'], use: 'client' });
  const { ask } = await learn(t, { ca: ca.cert, requestCert: true, rejectUnauthorized: false });
  const accepted = await ask(client);
  t.true(accepted.authorized);
  t.is(accepted.authorizationError, undefined);
  t.true(accepted.peerCertificate instanceof X509Certificate);
  t.is(accepted.peerCertificate.subject, 'CN=someone.test');
  t.is(accepted.peerCertificate, accepted.peerCertificates[0]);
  t.is(accepted.peerCertificate.fingerprint256, new X509Certificate(client.cert).fingerprint256);

  const refused = await ask(stranger);
  t.false(refused.authorized);
  t.regex(refused.authorizationError, /./);
  t.is(refused.peerCertificate.subject, 'CN=stranger.test');

  const nobody = await ask({ cert: undefined, key: undefined });
  t.deepEqual([nobody.authorized, nobody.peerCertificates], [false, []]);
});

test('there is none in clear, and it can be asked for until the answer is complete', async (t) => {
  const infos = [];
  const handler = async (_, info) => {
    if (infos.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        infos.push(info.tls);
        controller.enqueue(new TextEncoder().encode('ok'));
        controller.close();
        setTimeout(() => infos.push(info.tls), 50);
      },
    });
    return new Response(body);
  };
  const clear = await start(t, { fetch: handler });
  await (await fetch(clear.url)).text();
  t.deepEqual(infos, [null]);
  const secured = await start(t, { tls, fetch: handler });
  await get(secured.url.href, { ca: ca.cert });
  t.is(infos.at(-1).version, 'TLSv1.3');
});

test('it is there on JavaScript threads too', async (t) => {
  const { moduleOf } = await import('../support/folder.mjs');
  const module = moduleOf(t, 'export default (_, { tls }) => Response.json(tls);');
  const server = await start(t, { module, jsThreads: 2, tls });
  const { text } = await get(server.url.href, { ca: ca.cert });
  t.is(JSON.parse(text).version, 'TLSv1.3');
});
