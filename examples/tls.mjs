// https, and http that redirects to it: `node examples/tls.mjs cert.pem key.pem [clients-ca.pem]`
//
// The files are watched: replace them, and new connections get the new certificate. With the third
// file clients are asked for a certificate, and the answer tells whose it was.

import { serve } from 'reactor-rs';

const [cert, key, ca] = process.argv.slice(2);
const { HTTP_PORT = 8080, HTTPS_PORT = 8443 } = process.env;

const server = await serve({
  tls: { cert, key, ca, requestCert: ca !== undefined, rejectUnauthorized: false },
  listen: [
    { port: HTTPS_PORT, tls: true },
    { port: HTTP_PORT, redirectToTls: true },
  ],
  gracefulShutdown: true,

  routes: {
    '/': (_, { tls }) => new Response(`Hello over ${tls?.version}!`),

    '/whoami': (_, { tls }) =>
      tls?.authorized
        ? Response.json({ you: tls.peerCertificate?.subject })
        : new Response(tls?.authorizationError ?? 'You have shown no certificate', { status: 401 }),

    '/expires': () => Response.json(server.stats().tls.certificates),
  },
});

for (const { href } of server.urls) {
  console.log(`listening on ${href}`);
}
