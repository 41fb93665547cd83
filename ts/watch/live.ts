import { createHash } from 'node:crypto';
import { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web';
import { Response } from '../fetch/globals.js';
import type { Failure } from './failure.js';
import { scriptTag, type Version } from './page.js';
import { linesOf } from './shown.js';

type Body = ConstructorParameters<typeof Response>[0];

/** Milliseconds after which a browser asks again: the threads have been replaced. */
const RETRY_MS = 100;

/** The documents in browsers that hear of reloads from this thread. */
export class LiveDocuments {
  readonly #id: string;
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #error = '';
  #text = '';
  #isOver = false;

  /** @param generation of the threads */
  constructor(generation: number) {
    // The process has started anew if the number comes twice.
    this.#id = `${process.pid}-${generation}`;
  }

  get version(): Version {
    return { id: this.#id, error: this.#error };
  }

  /** Tells all documents of an error, or that there is none any more. */
  show(failure: Failure | null): void {
    this.#text = failure === null ? '' : linesOf(failure).join('\n');
    this.#error =
      failure === null ? '' : createHash('sha256').update(this.#text).digest('hex').slice(0, 16);
    for (const stream of this.#streams) {
      stream.enqueue(this.#message());
    }
  }

  /** Other threads have taken over: each document asks again, and those answer. */
  end(): void {
    this.#isOver = true;
    for (const stream of this.#streams) {
      stream.close();
    }
    this.#streams.clear();
  }

  /** The answer to a document that wants to hear. */
  open(): Response {
    let own: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        own = stream;
        stream.enqueue(Buffer.concat([Buffer.from(`retry: ${RETRY_MS}\n`), this.#message()]));
        if (this.#isOver) {
          stream.close();
        } else {
          this.#streams.add(stream);
        }
      },
      cancel: () => {
        if (own !== undefined) {
          this.#streams.delete(own);
        }
      },
    });
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
    return new Response(body as unknown as Body, { headers });
  }

  #message(): Uint8Array {
    const { id, error } = this.version;
    return Buffer.from(`data: ${JSON.stringify({ id, error, text: this.#text })}\n\n`);
  }
}

/**
 * A page with the script that hears of reloads; other answers as they are. The script comes last,
 * where HTML allows it and nothing of the page has to be understood.
 */
export function withScript(response: Response, version: Version): Response {
  const { headers, status, statusText, body } = response;
  const type = headers.get('content-type') ?? '';
  const nonce = nonceFor(headers.get('content-security-policy'));
  const isPage =
    /^text\/html\b/i.test(type) && !/charset\s*=\s*"?utf-16/i.test(type) && body !== null;
  const isCoded = ['content-encoding', 'content-range', 'content-digest', 'repr-digest'].some(
    (name) => headers.has(name),
  );
  if (!isPage || isCoded || nonce === undefined || response.bodyUsed) {
    return response;
  }
  const fields = [...headers].filter(([name]) => name !== 'content-length');
  const tail = Buffer.from(`\n${scriptTag(version, nonce)}\n`);
  return new Response(followed(body, tail), { status, statusText, headers: fields });
}

/**
 * The nonce that the script needs; empty if it needs none, and `undefined` if the policy allows it
 * in no way.
 */
function nonceFor(policy: string | null): string | undefined {
  if (policy === null) {
    return '';
  }
  const found =
    /\bscript-src(?:-elem)?\s+([^;,]*)/i.exec(policy) ?? /\bdefault-src\s+([^;,]*)/i.exec(policy);
  if (found === null) {
    return '';
  }
  const sources = found[1] as string;
  const [, nonce] = /'nonce-([^']+)'/i.exec(sources) ?? [];
  if (nonce !== undefined) {
    return nonce;
  }
  const isAllowed =
    /'self'|(?:^|\s)\*(?:\s|$)/i.test(sources) && !/'strict-dynamic'/i.test(sources);
  return isAllowed ? '' : undefined;
}

/** The body, and then these bytes. */
function followed(body: globalThis.ReadableStream, tail: Uint8Array): Body {
  const reader = body.getReader();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      controller.enqueue(done ? tail : value);
      if (done) {
        controller.close();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return stream as unknown as Body;
}
