// The files of a folder on node:http: `files.mjs PORT sirv|serve-static FOLDER`.

import { createServer } from 'node:http';

const [port, name, folder] = process.argv.slice(2);

const makers = {
  // In production, which is the default, it looks at the folder once. Siblings are used if asked.
  async sirv() {
    const { default: sirv } = await import('../peers/node_modules/sirv/build.mjs');
    return sirv(folder, { brotli: true, gzip: true });
  },
  // It knows no siblings.
  async 'serve-static'() {
    const [{ default: serveStatic }, { default: finalhandler }] = await Promise.all([
      import('../peers/node_modules/serve-static/index.js'),
      import('../peers/node_modules/finalhandler/index.js'),
    ]);
    const serve = serveStatic(folder);
    return (req, res) => serve(req, res, finalhandler(req, res));
  },
};

createServer({ keepAliveTimeout: 60_000 }, await makers[name]()).listen(Number(port), '127.0.0.1');
