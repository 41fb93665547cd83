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
 * Fields that are not true any more. A copy in the browser would belong to an older version: it
 * would be loaded again and again.
 */
const OF_CONTENT = ['cache-control', 'content-length', 'etag', 'last-modified'];

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
  const fields = [...headers].filter(([name]) => !OF_CONTENT.includes(name));
  fields.push(['cache-control', 'no-store']);
  const tail = Buffer.from(`\n${scriptTag(version, nonce)}\n`);
  return new Response(followed(body, tail), { status, statusText, headers: fields });
}

/**
 * The nonce that the script needs; empty if it needs none, and `undefined` if a policy allows it in
 * no way.
 */
function nonceFor(policies: string | null): string | undefined {
  let nonce = '';
  for (const policy of policies?.split(',') ?? []) {
    const sources = scriptSources(policy);
    const [, own] = /'nonce-([^']+)'/i.exec(sources ?? '') ?? [];
    const isAllowed =
      sources === undefined ||
      own !== undefined ||
      (/'self'|(?:^|\s)\*(?:\s|$)/i.test(sources) && !/'strict-dynamic'/i.test(sources));
    if (!isAllowed) {
      return undefined;
    }
    nonce = own ?? nonce;
  }
  return nonce;
}

/** The sources from which a policy allows scripts; `undefined` if from all. */
function scriptSources(policy: string): string | undefined {
  const directives = policy.split(';').map((directive) => directive.trim().split(/\s+/));
  const [name, ...sources] =
    ['script-src-elem', 'script-src', 'default-src']
      .map((name) => directives.find(([each]) => each?.toLowerCase() === name))
      .find((directive) => directive !== undefined) ?? [];
  return name === undefined ? undefined : sources.join(' ');
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
