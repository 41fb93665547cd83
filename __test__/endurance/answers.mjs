// What the endurance tests ask and what must come back, for both ends. A body
// depends on its request, so that no answer can pass for another's.

import { setImmediate, setTimeout } from 'node:timers/promises';

const UPLOAD = Buffer.alloc(150_000, 'u');
const PIECES = 24;
const PIECE = 'x'.repeat(1000);

/** Handlers by name: the request on the wire, what answers it, and with which body. */
export const ANSWERS = {
  plain: {
    request: get,
    handle: (request) => new Response(`plain ${number(request)}`),
    body: (n) => `plain ${n}`,
  },
  async: {
    request: get,
    async handle(request) {
      await setTimeout(Math.random() * 4);
      return new Response(`async ${number(request)}`);
    },
    body: (n) => `async ${n}`,
  },
  streaming: {
    request: get,
    handle(request) {
      let left = PIECES;
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await setImmediate();
            controller.enqueue(new TextEncoder().encode(PIECE));
            left -= 1;
            if (left === 0) {
              controller.enqueue(new TextEncoder().encode(`stream ${number(request)}`));
              controller.close();
            }
          },
        }),
      );
    },
    body: (n) => `${PIECE.repeat(PIECES)}stream ${n}`,
  },
  upload: {
    request: (n) => [
      `POST /${n} HTTP/1.1\r\nHost: test\r\nContent-Length: ${UPLOAD.length}\r\n\r\n`,
      UPLOAD,
    ],
    async handle(request) {
      let length = 0;
      for await (const chunk of request.body) {
        length += chunk.length;
      }
      return new Response(`${length} bytes ${number(request)}`);
    },
    body: (n) => `${UPLOAD.length} bytes ${n}`,
  },
};

function get(n) {
  return [`GET /${n} HTTP/1.1\r\nHost: test\r\n\r\n`];
}

/** The number that the client gave the request. */
function number(request) {
  return new URL(request.url).pathname.slice(1);
}
