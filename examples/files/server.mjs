// A folder with pages, one file under another name, and files that a handler names:
// `node examples/files/server.mjs`

import { file, Response, serve } from 'reactor-rs';

const here = (path) => new URL(path, import.meta.url);

/** What may be downloaded. What comes from a request is looked up here, and is never a path. */
const DOWNLOADS = new Map([['notes', here('./site/notes.txt')]]);

const server = await serve({
  port: process.env.PORT ?? 8080,
  gracefulShutdown: true,

  routes: {
    // Without JavaScript. `/about` is about.html, and what is not there is 404.html.
    '/*': {
      dir: here('./site/'),
      cleanUrls: true,
      // style-3f9a1c2b.css may be kept for a year: its name changes with its content.
      immutable: true,
      headers: {
        'content-security-policy': "default-src 'self'",
        '*.txt': { 'cache-control': 'public, max-age=60' },
      },
    },

    '/favicon.ico': { file: here('./site/logo.svg'), cacheControl: 'public, max-age=86400' },

    '/downloads/:name': ({ params }) => {
      const path = DOWNLOADS.get(params.name);
      if (path === undefined) {
        return new Response('There is no such download\n', { status: 404 });
      }
      // The handler decides, and the engine sends: with ranges, so that a download can be resumed.
      return new Response(file(path), {
        headers: { 'content-disposition': `attachment; filename="${params.name}.txt"` },
      });
    },
  },
});

console.log(`listening on ${server.url}`);
