// uWebSockets.js, with what it has in the place of a fetch handler: `uws.mjs PORT HANDLER`.
// Its authors publish no npm package; `uwebsockets` there carries their binaries.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../peers/package.json', import.meta.url));
const { App } = require('uwebsockets');
const [port, handler] = process.argv.slice(2);

const handlers = {
  hello(res) {
    res.end('Hello, World!');
  },
  // What api.mjs does. A request is readable only until its handler returns.
  api(res, req) {
    const agent = req.getHeader('user-agent');
    const trace = req.getHeader('x-trace');
    const page = req.getQuery('page');
    res.onAborted(() => {});
    let text = Buffer.alloc(0);
    res.onData((chunk, isLast) => {
      // The chunk's memory is gone after this call.
      text = Buffer.concat([text, Buffer.from(chunk)]);
      if (isLast) {
        const { items, name } = JSON.parse(text.toString());
        const answer = JSON.stringify({ agent, trace, page, items: items.length, name });
        res.cork(() => res.writeHeader('content-type', 'application/json').end(answer));
      }
    });
  },
};

App()
  .any('/*', handlers[handler])
  .listen('127.0.0.1', Number(port), (socket) => {
    if (!socket) {
      throw new Error(`cannot listen on port ${port}`);
    }
  });
