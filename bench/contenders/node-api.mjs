// What api.mjs does, on node:http with JSON.parse and JSON.stringify.

import { createServer } from 'node:http';

const server = createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) {
    chunks.push(chunk);
  }
  const body = JSON.parse(Buffer.concat(chunks).toString());
  const url = new URL(req.url, 'http://localhost');
  const answer = JSON.stringify({
    agent: req.headers['user-agent'],
    trace: req.headers['x-trace'],
    page: url.searchParams.get('page'),
    items: body.items.length,
    name: body.name,
  });
  const head = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) };
  res.writeHead(200, head).end(answer);
});
server.listen(Number(process.argv[2]), '127.0.0.1');
