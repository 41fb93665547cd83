import { unescape as unescapePercent } from 'node:querystring';
import { type InspectOptions, inspect, types } from 'node:util';
import type { HttpProtocol } from '../types/handler.js';
import type { ProxyInfo } from '../types/proxy.js';
import type { TlsInfo } from '../types/tls-info.js';
import type { Body } from './body.js';
import { addBodyMethods, type BodyMethods } from './body-methods.js';
import type { FieldSource } from './field-list.js';
import { GenuineAbortSignal, GenuineRequest, standIn } from './genuine.js';
import { fromSource, ReactorHeaders } from './headers.js';
import { endToEnd } from './hop-by-hop.js';
import { setOwn } from './own-property.js';
import type { RequestTrace } from './trace.js';
import type { WebSocketFace } from './web-sockets.js';

const SELF = Symbol('request');

/** Where a request gets its parts from, each on demand. */
export interface RequestSource extends FieldSource {
  readonly method: string;
  readonly url: string;
  /** The values of the route's parameters as sent, in the order of the pattern. */
  readonly params: readonly string[];
  /** The client's address; `undefined` on a unix socket. */
  readonly remoteAddress: string | undefined;
  /** The client's port; `undefined` on a unix socket, and if the proxy does not tell it. */
  readonly remotePort: number | undefined;
  /** The id by which the access log names the request. */
  readonly requestId: string;
  /** Its place in its trace. */
  readonly trace: RequestTrace;
  /** The version of HTTP that the client speaks. */
  readonly protocol: HttpProtocol;
  /** What TLS says of its connection; `null` in clear. */
  readonly tls: TlsInfo | null;
  /** What a balancer has said of its connection; `null` if none has. */
  readonly proxy: ProxyInfo | null;
  readonly signal: AbortSignal;
  /** The fields behind the body. Rejects if the body breaks off. */
  readonly trailers: Promise<ReactorHeaders>;
  /** The request's body; `null` where there is none. */
  readonly incoming: Body | null;
  /** What the server does with WebSockets; `null` for nothing. */
  readonly webSockets: WebSocketFace | null;
  /** Makes a stop of the server wait for a handler's promise. */
  waitUntil(promise: unknown): void;
  /**
   * Sends an informational answer.
   *
   * @param fields names and values in turn
   * @throws {ReactorError} if the response has been given
   */
  inform(status: number, fields: readonly string[]): void;
}

let isReactorRequest: (value: unknown) => value is ReactorRequest;
let sourceOf: (request: ReactorRequest) => RequestSource;

export { isReactorRequest, sourceOf };

/** The methods that {@link addBodyMethods} gives the class. */
export interface ReactorRequest extends BodyMethods {}

/**
 * The standard's `Request`, as handlers get it. It holds nothing itself: each part is worked out
 * when the handler looks at it, and costs nothing otherwise.
 *
 * Programs do not construct it. Their `new Request(…)` makes one of Node's own, see `globals.ts`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the class gives itself the methods
export class ReactorRequest {
  readonly #source: RequestSource;
  #headers: ReactorHeaders | null = null;
  #url: string | null = null;
  /** `undefined` until the body is looked at; then the source's body. */
  #body: Body | null | undefined = undefined;
  #signal: AbortSignal | null = null;
  #params: Readonly<Record<string, string>> | null = null;
  readonly #paramNames: readonly string[];

  static {
    isReactorRequest = (value): value is ReactorRequest =>
      typeof value === 'object' && value !== null && #source in value;
    sourceOf = (request) => request.#source;
    addBodyMethods(ReactorRequest.prototype, (request) => request.#wholeBody());
    standIn(ReactorRequest, GenuineRequest);
  }

  constructor(source: RequestSource, paramNames: readonly string[]) {
    this.#source = source;
    this.#paramNames = paramNames;
  }

  get method(): string {
    return this.#source.method;
  }

  get url(): string {
    if (this.#url === null) {
      this.#url = this.#source.url;
    }
    return this.#url;
  }

  get headers(): ReactorHeaders {
    if (this.#headers === null) {
      this.#headers = fromSource(this.#source);
    }
    return this.#headers;
  }

  /** The route's parameters by name, percent-decoded. */
  get params(): Readonly<Record<string, string>> {
    if (this.#params === null) {
      this.#params = paramsOf(this.#paramNames, this.#source.params);
    }
    return this.#params;
  }

  /** Some routers store here what they find, some through a proxy around the request. */
  set params(value: Readonly<Record<string, string>>) {
    setOwn(this, 'params', value);
  }

  /** The request itself, even if a proxy around it is asked. */
  get [SELF](): unknown {
    return this;
  }

  /** The client's address, under the name that srvx and h3 use. */
  get ip(): string | undefined {
    return this.#source.remoteAddress;
  }

  /** Middleware may store another address here. */
  set ip(value: string | undefined) {
    setOwn(this, 'ip', value);
  }

  /** A function that works without its object, as srvx's does. */
  get waitUntil(): (promise: unknown) => void {
    return waitUntilOf(this.#source);
  }

  set waitUntil(value: (promise: unknown) => void) {
    setOwn(this, 'waitUntil', value);
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#wholeBody()?.stream ?? null;
  }

  get bodyUsed(): boolean {
    return this.#wholeBody()?.isUsed ?? false;
  }

  /** Aborts when the client leaves before it has its answer, or when the answer takes too long. */
  get signal(): AbortSignal {
    return this.#signal ?? this.#source.signal;
  }

  get trailers(): Promise<ReactorHeaders> {
    return this.#source.trailers;
  }

  get cache(): string {
    return 'default';
  }

  get credentials(): string {
    return 'same-origin';
  }

  get destination(): string {
    return '';
  }

  get duplex(): string {
    return 'half';
  }

  get integrity(): string {
    return '';
  }

  get isHistoryNavigation(): boolean {
    return false;
  }

  get isReloadNavigation(): boolean {
    return false;
  }

  get keepalive(): boolean {
    return false;
  }

  get mode(): string {
    return 'cors';
  }

  get redirect(): string {
    return 'follow';
  }

  get referrer(): string {
    return 'about:client';
  }

  get referrerPolicy(): string {
    return '';
  }

  /** A member that undici has; it means nothing. */
  get attribute(): undefined {
    return undefined;
  }

  clone(): ReactorRequest {
    const body = this.#wholeBody();
    const clone = new ReactorRequest(this.#source, this.#paramNames);
    clone.#body = body?.clone() ?? null;
    clone.#headers = new ReactorHeaders(this.headers);
    clone.#url = this.#url;
    // The clone has a signal of its own, which follows this one: listeners of the two are
    // independent.
    clone.#signal = GenuineAbortSignal.any([this.signal]);
    return clone;
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { method, url, headers, bodyUsed, signal } = this;
    return `Request ${inspect({ method, url, headers, bodyUsed, signal }, options)}`;
  }

  #wholeBody(): Body | null {
    if (this.#body === undefined) {
      this.#body = this.#source.incoming;
    }
    return this.#body;
  }
}

/**
 * The handler's request behind a value: the value itself, or the target of a proxy as itty-router
 * and h3 make them. `undefined` for anything else.
 */
export function requestBehind(value: unknown): ReactorRequest | undefined {
  if (isReactorRequest(value)) {
    return value;
  }
  const self = types.isProxy(value) ? (value as { [SELF]?: unknown })[SELF] : undefined;
  return isReactorRequest(self) ? self : undefined;
}

/**
 * One of Node's own requests with the content of this one, for code that accepts no other. It takes
 * over the body, as `new Request(request)` does.
 */
export function genuineRequest(request: ReactorRequest, hasOtherBody: boolean): Request {
  const init = genuineInit(request);
  if (hasOtherBody) {
    // That length belongs to the old body.
    const headers = init.headers.filter(([name]) => name !== 'content-length');
    return new GenuineRequest(request.url, { ...init, headers, body: null });
  }
  if (request.bodyUsed) {
    throw new TypeError('Body is unusable: Body has already been read');
  }
  return new GenuineRequest(request.url, { ...init, body: request.body });
}

/** The counterpart of each request that has been passed to Node's own class. */
const GENUINE = new WeakMap<ReactorRequest, Request>();

/**
 * Up to Node 22, `Request` keeps its parts under symbols, and takes those of its input. A handler's
 * request may be such an input, of a `Request` kept from before `serve` or of a derived class. So
 * these symbols lead to a counterpart's parts. Later versions keep the parts out of reach.
 */
function lendParts(): void {
  for (const key of Object.getOwnPropertySymbols(new GenuineRequest('http://localhost/'))) {
    Object.defineProperty(ReactorRequest.prototype, key, {
      configurable: true,
      get(this: unknown) {
        const request = requestBehind(this);
        return request && (counterpart(request) as unknown as Record<symbol, unknown>)[key];
      },
    });
  }
}

function counterpart(request: ReactorRequest): Request {
  let genuine = GENUINE.get(request);
  if (genuine === undefined) {
    const { bodyUsed } = request;
    const body = bodyUsed ? '' : request.body;
    genuine = new GenuineRequest(request.url, { ...genuineInit(request), body });
    if (bodyUsed) {
      void genuine.text();
    }
    GENUINE.set(request, genuine);
  }
  return genuine;
}

lendParts();

/**
 * The init from which Node's own `Request` gets everything but the body. The argument may be a
 * proxy around a handler's request.
 */
export function genuineInit({ method, headers, signal }: ReactorRequest) {
  const fields = endToEnd(new ReactorHeaders(headers));
  return { method, headers: fields, signal, duplex: 'half' } as const;
}

/** An unbound function: programs take it out of the request, or wrap the request. */
export function waitUntilOf(source: RequestSource): (promise: unknown) => void {
  return (promise) => source.waitUntil(promise);
}

function paramsOf(names: readonly string[], values: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) {
    const value = values[i] ?? '';
    // Invalid escapes stay as they are; it never throws.
    const text = value.includes('%') ? unescapePercent(value) : value;
    const name = names[i] as string;
    if (name === '__proto__') {
      // An assignment to `__proto__` would set the prototype, or do nothing.
      setOwn(params, name, text);
    } else {
      params[name] = text;
    }
  }
  return params;
}
