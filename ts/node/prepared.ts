import { IncomingMessage, ServerResponse } from 'node:http';
import type { MessageOptions, NewTarget } from './message-options.js';

/**
 * To change the prototype of an object costs a microsecond from this release on. Before it, to make
 * an object with a prototype of one's choice costs more.
 */
const FIRST_RELEASE = 24;

const isWorthIt = Number.parseInt(process.versions.node, 10) >= FIRST_RELEASE;

/** A function that may have prototypes for messages, as an application of Express has. */
interface Listener {
  readonly request?: unknown;
  readonly response?: unknown;
  readonly http2Request?: unknown;
}

/**
 * The classes of a server's messages, with the prototypes that its listener is about to give them.
 *
 * An application of Express is a listener that has objects `request` and `response`, and the first
 * thing it does is to make them the prototypes of its messages. If they have them from the start,
 * that costs nothing.
 */
export class PreparedMessages {
  readonly #own: MessageOptions;
  readonly #canPrepare: boolean;
  #request: unknown;
  #response: unknown;
  #prepared: MessageOptions;

  constructor(own: MessageOptions) {
    this.#own = own;
    this.#prepared = own;
    this.#canPrepare =
      isWorthIt &&
      own.IncomingMessage === IncomingMessage &&
      (own.ServerResponse as unknown) === ServerResponse;
  }

  /** @param listener the only one for 'request'; anything else if there are several */
  for(listener: unknown): MessageOptions {
    if (typeof listener !== 'function' || !this.#canPrepare) {
      return this.#own;
    }
    const { request, response } = listener as Listener;
    if (request !== this.#request || response !== this.#response) {
      this.#request = request;
      this.#response = response;
      this.#prepared =
        isMade(request, IncomingMessage.prototype, sampleRequest) &&
        isMade(response, ServerResponse.prototype, sampleResponse)
          ? this.#prepare(request, response)
          : this.#own;
    }
    return this.#prepared;
  }

  #prepare(request: object, response: object): MessageOptions {
    return {
      ...this.#own,
      requestTarget: targetOf(request),
      responseTarget: targetOf(response),
    };
  }
}

const madeForHttp1 = new WeakMap<object, boolean>();

/**
 * Whether a listener gives its messages prototypes that are made of those of HTTP/1's messages, as an
 * application of Express does. It could not use those of HTTP/2.
 */
export function isForHttp1(listener: unknown): boolean {
  if (typeof listener !== 'function') {
    return false;
  }
  let isMadeForIt = madeForHttp1.get(listener);
  if (isMadeForIt === undefined) {
    const { request, response, http2Request } = listener as Listener;
    // http2-express-bridge has prototypes for both.
    isMadeForIt =
      http2Request === undefined &&
      request instanceof IncomingMessage &&
      response instanceof ServerResponse;
    madeForHttp1.set(listener, isMadeForIt);
  }
  return isMadeForIt;
}

const sampleRequest = new IncomingMessage(null as never);
const sampleResponse = new ServerResponse(sampleRequest);

/**
 * Whether it is an object that was made to be put between a message and the prototype of Node's
 * class, and can be there while the class sets its properties.
 */
function isMade(value: unknown, prototype: object, sample: object): value is object {
  if (typeof value !== 'object' || value === null || value === prototype) {
    return false;
  }
  const keys = Reflect.ownKeys(sample);
  let link: object | null = value;
  while (link !== null && link !== prototype) {
    for (const key of keys) {
      const own = Object.getOwnPropertyDescriptor(link, key);
      if (own !== undefined && own.writable !== true) {
        return false;
      }
    }
    link = Object.getPrototypeOf(link);
  }
  return link === prototype;
}

/** A `new.target` for objects with this prototype. */
function targetOf(prototype: object): NewTarget {
  return Object.assign(function target() {} as unknown as NewTarget, { prototype });
}
