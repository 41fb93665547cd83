import { unescape as unescapePercent } from 'node:querystring';
import { type InspectOptions, inspect, types } from 'node:util';
import type { DenoAddress, NodeAddress, PeerAddress } from '../types/addresses.js';
import { familyOf } from './address.js';
import type { Body } from './body.js';
import { addBodyMethods, type BodyMethods } from './body-methods.js';
import type { FieldSource } from './field-list.js';
import { GenuineAbortSignal, GenuineRequest, standIn } from './genuine.js';
import { fromSource, ReactorHeaders } from './headers.js';
import { endToEnd } from './hop-by-hop.js';
import { setOwn } from './own-property.js';

const SELF = Symbol('request');

/** Where a request's parts come from, each worked out when somebody asks for it. */
export interface RequestSource extends FieldSource {
  readonly method: string;
  readonly url: string;
  /** The values of the route's parameters as sent, in the order of the pattern. */
  readonly params: readonly string[];
  /** The client's address; `undefined` on a unix socket. */
  readonly remoteAddress: string | undefined;
  /** The client's port; `undefined` on a unix socket, and where no proxy tells. */
  readonly remotePort: number | undefined;
  /** What the access log calls the request. */
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** The request's body; `null` where there is none. */
  readonly incoming: Body | null;
  /** Makes a stop wait for a promise of the handler's. */
  waitUntil(promise: unknown): void;
}

let isReactorRequest: (value: unknown) => value is ReactorRequest;
let sourceOf: (request: ReactorRequest) => RequestSource;

export { isReactorRequest };

/** What {@link addBodyMethods} gives the class. */
export interface ReactorRequest extends BodyMethods {}

/**
 * The standard's `Request` as a server has it. It holds nothing itself: what a
 * handler looks at is worked out then, and what it does not look at costs
 * nothing.
 *
 * Programs do not construct it. Their `new Request(…)` is Node's own, see
 * `globals.ts`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the class gives itself the methods
export class ReactorRequest {
  readonly #source: RequestSource;
  #headers: ReactorHeaders | null = null;
  #url: string | null = null;
  /** `undefined` until somebody looks: then it is the source's. */
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

  /** Some routers note here what they find; some do so through a proxy around it. */
  set params(value: Readonly<Record<string, string>>) {
    setOwn(this, 'params', value);
  }

  /** Itself, also where a proxy is asked that answers for it. */
  get [SELF](): unknown {
    return this;
  }

  /** The client's address, as srvx and h3 have it. */
  get ip(): string | undefined {
    return this.#source.remoteAddress;
  }

  /** Middleware notes here what it takes for it. */
  set ip(value: string | undefined) {
    setOwn(this, 'ip', value);
  }

  /** A function that may be taken out: srvx's is one. */
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

  /** Aborts when the client goes away before it has its answer, or is told to wait no longer. */
  get signal(): AbortSignal {
    return this.#signal ?? this.#source.signal;
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

  /** What undici calls it; it has no other meaning. */
  get attribute(): undefined {
    return undefined;
  }

  clone(): ReactorRequest {
    const body = this.#wholeBody();
    const clone = new ReactorRequest(this.#source, this.#paramNames);
    clone.#body = body?.clone() ?? null;
    clone.#headers = new ReactorHeaders(this.headers);
    clone.#url = this.#url;
    // Its own, that follows: who listens to one need not listen to the other.
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
 * The request of ours that a value is, or is a proxy around, as itty-router and
 * h3 give them to handlers; `undefined` for anything else.
 */
export function requestBehind(value: unknown): ReactorRequest | undefined {
  if (isReactorRequest(value)) {
    return value;
  }
  const self = types.isProxy(value) ? (value as { [SELF]?: unknown })[SELF] : undefined;
  return isReactorRequest(self) ? self : undefined;
}

/**
 * Node's own `Request` with the content of ours, for what takes no other. The
 * body passes over, as it does in `new Request(request)`.
 */
export function genuineRequest(request: ReactorRequest, hasOtherBody: boolean): Request {
  const init = genuineInit(request);
  if (hasOtherBody) {
    // The length would be that of the body which stays behind.
    const headers = init.headers.filter(([name]) => name !== 'content-length');
    return new GenuineRequest(request.url, { ...init, headers, body: null });
  }
  if (request.bodyUsed) {
    throw new TypeError('Body is unusable: Body has already been read');
  }
  return new GenuineRequest(request.url, { ...init, body: request.body });
}

/** Node's own for each of ours that Node's own class has been given. */
const GENUINE = new WeakMap<ReactorRequest, Request>();

/**
 * Node's own class keeps the parts of a `Request` under symbols up to Node 22, and
 * takes those of whatever it is made from: `new Request(request)` where `Request` is
 * one kept from before `serve`, or a class derived from it. Newer ones keep them
 * where nobody else can put any.
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

/** What Node's own `Request` takes over from ours, or from a proxy around it, but for the body. */
export function genuineInit({ method, headers, signal }: ReactorRequest) {
  const fields = endToEnd(new ReactorHeaders(headers));
  return { method, headers: fields, signal, duplex: 'half' } as const;
}

/** The address that a request came from, as Bun tells it; `null` on a unix socket. */
export function addressOf(request: ReactorRequest): PeerAddress | null {
  const { remoteAddress: address, remotePort: port } = sourceOf(request);
  if (address === undefined) {
    return null;
  }
  return { address, family: familyOf(address), port: port ?? 0 };
}

/** Not bound to what it is called on: programs take it out of the request, or wrap that. */
function waitUntilOf(source: RequestSource): (promise: unknown) => void {
  return (promise) => source.waitUntil(promise);
}

/**
 * What a handler learns besides the request. Made for every request, and empty
 * like it.
 */
export class ReactorInfo {
  readonly #request: ReactorRequest;

  constructor(request: ReactorRequest) {
    this.#request = request;
  }

  get remoteAddress(): string | undefined {
    return sourceOf(this.#request).remoteAddress;
  }

  get remotePort(): number | undefined {
    return sourceOf(this.#request).remotePort;
  }

  get requestId(): string {
    return sourceOf(this.#request).requestId;
  }

  /** As Deno has it. */
  get remoteAddr(): DenoAddress {
    const { remoteAddress: hostname, remotePort: port } = this;
    return hostname === undefined
      ? { transport: 'unix', path: '' }
      : { transport: 'tcp', hostname, port: port ?? 0 };
  }

  /** What frameworks for @hono/node-server look into for the address. */
  get incoming(): { readonly socket: NodeAddress } {
    const { remoteAddress, remotePort } = this;
    const remoteFamily = familyOf(remoteAddress);
    return { socket: { remoteAddress, remotePort, remoteFamily } };
  }

  /** As Bun's server has it, which handlers get there in this place. */
  get requestIP(): (request: Request) => PeerAddress | null {
    return (request) => {
      const asked = requestBehind(request);
      return asked === undefined ? null : addressOf(asked);
    };
  }

  /** As an execution context of Cloudflare's has it, which Hono and others take. */
  get waitUntil(): (promise: unknown) => void {
    return waitUntilOf(sourceOf(this.#request));
  }

  set waitUntil(value: (promise: unknown) => void) {
    setOwn(this, 'waitUntil', value);
  }

  /** There is no origin behind the server to pass a request on to. */
  passThroughOnException(): void {}

  get props(): Readonly<Record<string, unknown>> {
    return {};
  }

  get params(): Readonly<Record<string, string>> {
    return this.#request.params;
  }

  /** h3 takes this for its context, and notes there what its own routes find. */
  set params(value: Readonly<Record<string, string>>) {
    setOwn(this, 'params', value);
  }

  toJSON(): Record<string, unknown> {
    const { remoteAddress, remotePort, requestId, params } = this;
    // What frameworks have noted here is its own.
    return Object.assign({}, { remoteAddress, remotePort, requestId, params }, this as object);
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `HandlerInfo ${inspect(this.toJSON(), options)}`;
  }
}

function paramsOf(names: readonly string[], values: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) {
    const value = values[i] ?? '';
    // It takes what is no valid escape as it is, and never throws.
    const text = value.includes('%') ? unescapePercent(value) : value;
    const name = names[i] as string;
    if (name === '__proto__') {
      // An assignment would set the prototype, or nothing.
      setOwn(params, name, text);
    } else {
      params[name] = text;
    }
  }
  return params;
}
