// Answers of 1 MiB and of a few bytes: `large.mjs PORT [node]`. `/static` is there before
// the first request, `/handler` comes from JavaScript.

const [port, kind] = process.argv.slice(2);
const large = 'x'.repeat(1024 * 1024);
const answer = (path) => (path === '/handler' ? large : 'small');

if (kind === 'node') {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => response.end(answer(request.url)));
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
} else {
  const { Response, serve } = await import('../../dist/index.js');
  await serve({
    port: Number(port),
    hostname: '127.0.0.1',
    ioThreads: 1,
    backlog: 4096,
    routes: { '/static': { body: large } },
    fetch: ({ url }) => new Response(answer(new URL(url).pathname)),
  });
}
