// The application of the HTTP/2 trials, the same for every engine.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export const ASSETS = 100;
export const TEXT = 'All work and no play makes Jack a dull boy. '.repeat(500);

/** What handlers saw since it was last asked for, and how calls went. */
export const seen = [];
export const counts = { begun: 0, aborted: 0, cancelled: 0, pulled: 0 };

const held = [];

const script = (n) => `window.assets = (window.assets ?? 0) + 1; // ${n}${'.'.repeat(5_000)}`;
const page = `<!doctype html><title>trial</title><link rel="icon" href="data:,">${Array.from(
  { length: ASSETS },
  (_, n) => `<script src="/asset/${n}.js"></script>`,
).join('')}<script>document.title = 'loaded ' + window.assets;</script>`;

/** Bytes that repeat late, so that a piece in the wrong place is noticed. */
export function patterned(size) {
  const bytes = Buffer.alloc(size);
  for (let n = 0; n < size; n++) bytes[n] = (n * 7 + (n >> 8) * 3 + (n >> 16)) & 0xff;
  return bytes;
}

const large = patterned(10 << 20);

/** A body that is made piece by piece, as its reader takes it. */
function streamed(pieces, size, wait = 0) {
  let n = 0;
  return new ReadableStream({
    async pull(controller) {
      if (n++ >= pieces) return controller.close();
      counts.pulled++;
      if (wait > 0) await sleep(wait);
      controller.enqueue(new Uint8Array(size).fill(n));
    },
    cancel() {
      counts.cancelled++;
    },
  });
}

/** @param {Request} request */
export async function handle(request, info) {
  const url = new URL(request.url);
  const { pathname, searchParams } = url;
  counts.begun++;
  if (seen.length < 1000) {
    seen.push({ method: request.method, url: request.url, fields: [...request.headers] });
  }
  request.signal?.addEventListener('abort', () => {
    counts.aborted++;
  });
  const number = (name, otherwise) => Number(searchParams.get(name) ?? otherwise);
  switch (pathname) {
    case '/':
      // An answer before the end of a body makes the rest of it unwanted, which judges of what follows
      // do not expect.
      await request.arrayBuffer().catch(() => {});
      return new Response('hello');
    case '/hello':
    case '/inline':
      return new Response('hello');
    case '/echo':
      return new Response(request.body, { headers: { 'x-was': request.method } });
    case '/whole':
      return new Response(await request.arrayBuffer());
    case '/sha': {
      const hash = createHash('sha256');
      let size = 0;
      for await (const piece of request.body ?? []) {
        hash.update(piece);
        size += piece.length;
      }
      return Response.json({ size, sha256: hash.digest('hex') });
    }
    case '/fields':
      return Response.json({
        method: request.method,
        url: request.url,
        fields: Object.fromEntries(request.headers),
        protocol: info?.protocol,
        priority: info?.priority,
      });
    case '/answered': {
      const fields = new Headers({ 'x-a': 'one', 'X-Upper': 'Two' });
      fields.append('set-cookie', 'a=1');
      fields.append('set-cookie', 'b=2');
      fields.set('x-long', 'l'.repeat(5_000));
      return new Response('with fields', { status: number('status', 200), headers: fields });
    }
    case '/large':
      return new Response(large);
    case '/streamed':
      return new Response(
        streamed(number('pieces', 100), number('size', 10_000), number('wait', 0)),
      );
    case '/text':
      return new Response(TEXT, { headers: { 'content-type': 'text/plain', etag: '"t"' } });
    case '/tagged':
      return request.headers.get('if-none-match') === '"t"'
        ? new Response(null, { status: 304, headers: { etag: '"t"' } })
        : new Response('tagged', { headers: { etag: '"t"' } });
    case '/events': {
      let n = 0;
      const encoder = new TextEncoder();
      const events = new ReadableStream({
        async pull(controller) {
          await sleep(number('wait', 5));
          if (n >= number('most', 20)) return controller.close();
          controller.enqueue(encoder.encode(`data: ${n++}\n\n`));
        },
        cancel() {
          counts.cancelled++;
        },
      });
      return new Response(events, { headers: { 'content-type': 'text/event-stream' } });
    }
    case '/wait':
      await sleep(number('ms', 100));
      return new Response('waited');
    case '/hang':
      await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
      return new Response('nobody reads it');
    case '/held':
      await new Promise((resolve) => held.push(resolve));
      return new Response('held');
    case '/release':
      for (const release of held.splice(0)) release();
      return new Response('released');
    case '/block':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, number('ms', 100));
      return new Response('blocked');
    case '/throws':
      throw new Error('on purpose');
    case '/trailers':
      return new Response(streamed(3, 10), {
        trailers: async () => ({ 'x-checksum': 'abc', 'x-late': 'yes' }),
      });
    case '/got-trailers': {
      const body = await request.text();
      const trailers = await request.trailers;
      return Response.json({ body, trailers: Object.fromEntries(trailers ?? []) });
    }
    case '/hinted':
      await info?.earlyHints?.(['</asset/0.js>; rel=preload; as=script']);
      await sleep(number('ms', 200));
      return new Response(page, { headers: { 'content-type': 'text/html' } });
    case '/page':
      return new Response(page, { headers: { 'content-type': 'text/html' } });
    default:
      if (pathname.startsWith('/asset/')) {
        const headers = { 'content-type': 'text/javascript', 'cache-control': 'max-age=60' };
        return new Response(script(pathname), { headers });
      }
      return new Response('not found', { status: 404 });
  }
}
