// What a user's own program may look like: each serves, asks itself and prints.

const BODY = `
const server = await serve({ port: 0, hostname: '127.0.0.1', routes: { '/': 'static' }, fetch: () => new Response('handler') });
console.log(await (await fetch(server.url)).text(), await (await fetch(server.url + 'x')).text());
await server.stop();
const node = createServer((req, res) => res.end('node')).listen(0, '127.0.0.1', async () => {
  console.log(await (await fetch('http://127.0.0.1:' + node.address().port)).text());
  node.close();
});
`;

/** What each of them prints. */
export const PRINTED = 'static handler\nnode\n';

export const ESM = `
import 'reactor-rs/register';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
${BODY}`;

export const COMMONJS = `
require('reactor-rs/register');
const { serve } = require('reactor-rs');
const { createServer } = require('reactor-rs/node');
(async () => {${BODY}})();
`;

/** Wrong where the types are \`any\`. */
const MISTAKES = `
export async function mistakes(): Promise<void> {
  // @ts-expect-error a port is a number, or digits as text
  await serve({ port: true });
  // @ts-expect-error there is no such option
  await serve({ prot: 8080 });
  // @ts-expect-error there is no such parameter
  await serve({ routes: { '/:id': ({ params }) => new Response(params.name) } });
  const options: ServeOptions = { port: 0, trustProxy: 'loopback' };
  const server: Server = await serve(options);
  const total: number = server.stats().requests.total;
  console.log(total);
  const code: ReactorErrorCode = new ReactorError('ERR_REACTOR_BINDING', '').code;
  console.log(code);
  // @ts-expect-error a request is one of Node's
  createServer((req) => req.nothing);
}
`;

const TYPED_BODY = BODY.replaceAll('node.address().port', '(node.address() as AddressInfo).port');

/** Compiled as an ES module. */
export const TYPESCRIPT_ESM = `
import 'reactor-rs/register';
import type { AddressInfo } from 'node:net';
import { ReactorError, type ReactorErrorCode, type ServeOptions, type Server, serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
${TYPED_BODY}${MISTAKES}`;

/** Compiled as CommonJS, where these imports become \`require\`. */
export const TYPESCRIPT_COMMONJS = `
import 'reactor-rs/register';
import type { AddressInfo } from 'node:net';
import { ReactorError, type ReactorErrorCode, type ServeOptions, type Server, serve } from 'reactor-rs';
import reactor = require('reactor-rs');
import { createServer } from 'reactor-rs/node';
export const same: boolean = reactor.serve === serve;
void (async () => {${TYPED_BODY}})();
${MISTAKES}`;

/** Prints the error of \`serve\`, if there is one. */
export const SERVE_OR_ERROR = `
import { serve } from 'reactor-rs';
try {
  const server = await serve({ port: 0, hostname: '127.0.0.1', routes: { '/': 'served' } });
  console.log(await (await fetch(server.url)).text());
  await server.stop();
} catch (error) {
  console.log(error.code, error.message);
}
`;
