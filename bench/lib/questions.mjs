// What the contenders are asked, and what they must answer to be timed.

import { readFileSync } from 'node:fs';

/** The body of the JSON request, 1 KiB; wrk reads the same file. */
const apiBody = 'bench/contenders/api.json';
const { items, name } = JSON.parse(readFileSync(apiBody, 'utf8'));

/** Requests by name: `body` is a file, `expected` the body of the answer. */
export const questions = {
  hello: { path: '/', expected: 'Hello, World!' },
  'hello-json': { path: '/json', expected: '{"message":"Hello, World!"}' },
  api: {
    path: '/items?page=7&sort=name',
    body: apiBody,
    expected: JSON.stringify({
      agent: 'bench',
      trace: '0123456789abcdef',
      page: '7',
      items: items.length,
      name,
    }),
  },
};

/** The request as bytes. One with a body has the fields that `pipeline.lua` sends with it. */
export function spell({ path, body }) {
  if (body === undefined) {
    return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  }
  const text = readFileSync(body, 'utf8');
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'User-Agent: bench',
    'X-Trace: 0123456789abcdef',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${text}`;
}
