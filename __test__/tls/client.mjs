// Node's https as a client, and what it knows of the connection.

import https from 'node:https';

/** Asks for a URL; rejects with the client's error. */
export function get(url, options = {}) {
  return new Promise((resolve, reject) => {
    let session;
    const asked = https.request(url, { agent: false, ...options }, (res) => {
      const { socket } = res;
      const facts = {
        protocol: socket.getProtocol(),
        cipher: socket.getCipher().name,
        alpn: socket.alpnProtocol,
        peer: socket.getPeerCertificate(),
        reused: socket.isSessionReused(),
      };
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (piece) => {
        text += piece;
      });
      res.on('error', reject);
      res.on('end', () =>
        resolve({ status: res.statusCode, headers: res.headers, text, session, ...facts }),
      );
    });
    asked.on('socket', (socket) => {
      // A ticket of TLS 1.3 comes before the answer to the first request.
      socket.on('session', (given) => {
        session = given;
      });
    });
    asked.on('error', reject);
    asked.end(options.body);
  });
}
