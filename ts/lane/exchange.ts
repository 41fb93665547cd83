import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { joined, separatorOf } from '../fetch/field-list.js';
import { GenuineAbortController, GenuineDOMException } from '../fetch/genuine.js';
import type { ReactorHeaders } from '../fetch/headers.js';
import { RefusedBodyError } from '../fetch/refusal.js';
import type { ReactorRequest, RequestSource } from '../fetch/request.js';
import type { Scope } from '../fetch/streams.js';
import { ReactorTlsInfo, type TlsFacts } from '../fetch/tls-info.js';
import { RequestTrace } from '../fetch/trace.js';
import type { TraceIds } from '../fetch/trace-ids.js';
import { urlOf } from '../fetch/url.js';
import type { WebSocketFace } from '../fetch/web-sockets.js';
import { type ProxyFacts, type ProxyInfo, proxyInfoOf } from '../proxy/header.js';
import type { Origin, Proxies } from '../proxy/proxies.js';
import { fieldsOfHead, isNamed } from './head-fields.js';
import type { Heads } from './heads.js';
import { APART, answered, type BodyOwner, StreamedIncoming, WholeIncoming } from './incoming.js';
import type { RecentFields } from './recent-fields.js';
import {
  BODY_APART,
  BODY_STREAMS,
  HAS_BODY,
  HAS_TRAILERS,
  HTTP_1_0,
  HTTP_2,
  METHODS,
  numberAt,
  PROXIED,
  REQUEST_WORDS,
  SECURE,
  THREAD_SHIFT,
} from './record.js';
import type { ObservedRequest } from './request-channel.js';
import { tooLate, trailersAt, trailersOf } from './trailers.js';

/** The bridge, as its exchanges use it. */
export interface Context {
  /** Stands for the host if the client sent none. */
  readonly host: string;
  /** The prefix of the server's request ids. */
  readonly startId: string;
  /** Makes the ids of requests and traces. */
  readonly traceIds: TraceIds;
  /** The trusted proxies, which may tell a request's origin; `null` for none. */
  readonly proxies: Proxies | null;
  /** Whether GET and HEAD may have bodies. HTTP allows it, the standard's `Request` does not. */
  readonly takesAnyBody: boolean;
  /** Tells the engine that `bytes` of the request's body have been read. */
  pull(exchange: Exchange, bytes: number): void;
  /** Tells the engine that the rest of the request's body is wanted in one piece. */
  collect(exchange: Exchange): void;
  /** Memory that the engine fills with a body of this length; `null` if it is better not lent. */
  lend(exchange: Exchange, length: number): Uint8Array<ArrayBuffer> | null;
  /** Memory of this length is no longer lent. */
  takeBack(length: number): void;
  /** Copies a body that the engine has, if it still has it. */
  takeBody(exchange: Exchange, into: Uint8Array): boolean;
  /** What handlers can do with WebSockets; `null` for nothing. */
  readonly webSockets: WebSocketFace | null;
  /** Makes a stop of the server wait for a handler's promise. */
  waitUntil(exchange: Exchange, promise: unknown): void;
  /** Replies that are sent at once. */
  readonly replies: { inform(id: number, status: number, fields: readonly string[]): void };
  /** What TLS says of its connection; `null` if it is in clear, or over. */
  tlsOf(exchange: Exchange): TlsFacts | null;
  /** What a balancer has said of its connection; `null` if none has, or it is over. */
  proxiedOf(exchange: Exchange): ProxyFacts | null;
}

/**
 * What answers an exchange, as it learns of its client. An object costs less than callbacks: in
 * Node 26 an exchange that has a closure survives the quick garbage collections.
 */
export interface ClientWatcher {
  /** The client has taken bytes of the response. */
  taken(bytes: number): void;
  /** The client has closed its sending side, or gone away. */
  leaves(exchange: Exchange): void;
}

/** Up to this method requests have no body, as the standard's `Request` wants it: GET and HEAD. */
const LAST_BODILESS = METHODS.indexOf('HEAD');

/** Not a member: few programs ask, and each exchange has all members. */
const TLS = new WeakMap<Exchange, ReactorTlsInfo | null>();
const TRACES = new WeakMap<Exchange, RequestTrace>();
const PROXY = new WeakMap<Exchange, ProxyInfo | null>();

/**
 * One request and its answer. `Request` and its companions are empty shells; they read everything
 * from here.
 *
 * One is made for every request, so it takes only numbers out of the record. Fields are looked up
 * in the record while the batch lasts, and in the head's text afterwards.
 *
 * It is an async resource so that `AsyncLocalStorage.enterWith` in a handler affects this request
 * only, not all requests of the batch.
 */
export class Exchange extends AsyncResource implements RequestSource, BodyOwner {
  readonly context: Context;
  /** Its number in the lane; to be used only while {@link isOpen}. */
  readonly id: number;
  /** It has not been answered, and the client has not gone. */
  isOpen = true;
  /** It ended before an answer: the client left or hung up, or the engine answered. */
  isGone = false;
  /** Why the engine refused the rest of the body, if it did so before an answer. */
  refusal: RefusedBodyError | null = null;
  /** The handler failed. The error handler is not asked a second time. */
  hasFailed = false;
  /** The request object that the handler got. */
  request: ReactorRequest | null = null;
  /** Tells the subscribers of the request's channel; `null` without any. */
  observed: ObservedRequest | null = null;
  /** When the handler was called, if answers tell how long it took. */
  handledAt = 0;
  /** The request's body; `null` where there is none. */
  incoming: WholeIncoming | StreamedIncoming | null;
  /** Bytes of the body that have been read and not yet reported to the engine. */
  credit = 0;
  /** Called when the client has taken bytes of the response. */
  onAck: ((bytes: number) => void) | null = null;
  /** Called when the client goes away. */
  onGone: (() => void) | null = null;
  /** Told of the client, as the callbacks above are. */
  watcher: ClientWatcher | null = null;
  /** The version of HTTP that the client speaks. */
  readonly protocol: RequestSource['protocol'];
  /** Whether the client speaks TLS, to this server or to a balancer that says so. */
  readonly scheme: 'http' | 'https';

  readonly #heads: Heads;
  /** The index of the record in the events. */
  readonly #at: number;
  readonly #head: number;
  readonly #method: number;
  readonly #target: number;
  readonly #targetLength: number;
  readonly #host: number;
  readonly #hostLength: number;
  readonly #peer: number | string;
  readonly #port: number;
  /** Those of the record: the I/O thread is among them. */
  readonly #flags: number;
  /** The connection on that thread, and the request on that connection. */
  readonly #connection: number;
  readonly #slot: number;
  readonly #sequence: number;
  /** Offset and length of each route parameter; `null` if there is none. */
  readonly #spans: readonly number[] | null;
  #controller: AbortController | null = null;
  /** The async context of the program's first look at the signal. */
  #signalScope: Scope | null = null;
  /** The origin according to {@link Proxies}, once it has been asked for. */
  #origin: Origin | null = null;

  /** @param peer the client's IPv4 address as a number, or any address as text */
  constructor(context: Context, heads: Heads, at: number, peer: number | string) {
    super('ReactorRequest');
    const { events } = heads;
    this.context = context;
    this.#heads = heads;
    this.#at = at;
    this.id = events[at + 1] as number;
    this.#head = events[at + 2] as number;
    this.#method = events[at + 4] as number;
    this.#target = events[at + 5] as number;
    this.#targetLength = events[at + 6] as number;
    this.#host = events[at + 13] as number;
    this.#hostLength = events[at + 14] as number;
    this.#peer = peer;
    this.#port = (events[at + 12] as number) & 0xffff;
    this.#spans = events[at + 16] === 0 ? null : spansOf(events, at);
    this.#connection = events[at + 17] as number;
    this.#sequence = events[at + 18] as number;
    this.#slot = events[at + 19] as number;
    const flags = events[at + 10] as number;
    this.#flags = flags;
    this.protocol =
      (flags & (HTTP_1_0 | HTTP_2)) === 0
        ? 'HTTP/1.1'
        : (flags & HTTP_2) === 0
          ? 'HTTP/1.0'
          : 'HTTP/2.0';
    this.scheme = (flags & SECURE) === 0 ? 'http' : 'https';
    this.incoming =
      (flags & HAS_BODY) === 0 || (this.#method <= LAST_BODILESS && !context.takesAnyBody)
        ? null
        : (flags & BODY_STREAMS) !== 0
          ? new StreamedIncoming(this, numberAt(events, at + 8))
          : new WholeIncoming(
              this,
              heads,
              (flags & BODY_APART) === 0 ? (events[at + 8] as number) : APART,
              events[at + 9] as number,
              (flags & HAS_TRAILERS) === 0 ? '' : trailersAt(heads, at),
            );
  }

  get isHttp10(): boolean {
    return this.protocol === 'HTTP/1.0';
  }

  get isHttp2(): boolean {
    return this.protocol === 'HTTP/2.0';
  }

  get isHead(): boolean {
    return this.#method === LAST_BODILESS;
  }

  get method(): string {
    return METHODS[this.#method] ?? this.#unusualMethod();
  }

  /** Whether the method is none of {@link METHODS}. */
  get hasOtherMethod(): boolean {
    return this.#method >= METHODS.length;
  }

  /** The request target as sent. */
  get target(): string {
    return this.#cut(this.#target, this.#targetLength);
  }

  get url(): string {
    const { target } = this;
    const host =
      this.#hostLength === 0 ? this.context.host : this.#cut(this.#host, this.#hostLength);
    const origin = this.#forwarded();
    // The engine accepts an absolute `https:` target only over TLS or from a trusted proxy.
    const isSecure = origin !== null && /^https:/i.test(target);
    const scheme = isSecure ? 'https' : (origin?.scheme ?? this.scheme);
    return urlOf(origin?.host ?? host, target, scheme);
  }

  /** What TLS says of its connection. It must be asked for while the exchange is open. */
  get tls(): ReactorTlsInfo | null {
    if (this.isOpen && this.scheme === 'https' && !TLS.has(this)) {
      const facts = this.context.tlsOf(this);
      TLS.set(this, facts && new ReactorTlsInfo(facts));
    }
    return TLS.get(this) ?? null;
  }

  /** What a balancer has said of its connection. It must be asked for while the exchange is open. */
  get proxy(): ProxyInfo | null {
    if (this.isOpen && !PROXY.has(this)) {
      const facts = this.context.proxiedOf(this);
      PROXY.set(this, facts && proxyInfoOf(facts));
    }
    return PROXY.get(this) ?? null;
  }

  /** The client's address; `undefined` on a unix socket. */
  get remoteAddress(): string | undefined {
    const origin = this.#forwarded();
    return origin === null ? this.#peerAddress : origin.address;
  }

  /** The client's port; `undefined` on a unix socket, and if the proxy does not tell it. */
  get remotePort(): number | undefined {
    const origin = this.#forwarded();
    return origin === null ? this.#peerPort : origin.port;
  }

  get #peerAddress(): string | undefined {
    const peer = this.#peer;
    if (typeof peer === 'string') {
      return peer;
    }
    if (this.#port === 0) {
      return undefined;
    }
    return `${peer >>> 24}.${(peer >> 16) & 255}.${(peer >> 8) & 255}.${peer & 255}`;
  }

  /** Whether a balancer has named the peer. */
  get #isProxied(): boolean {
    return (this.#flags & PROXIED) !== 0;
  }

  get #peerPort(): number | undefined {
    return this.#port === 0 ? undefined : this.#port;
  }

  get #ioThread(): number {
    return this.#flags >>> THREAD_SHIFT;
  }

  /** Identifies the connection within the server. */
  get connectionKey(): number {
    return connectionKeyOf(this.#ioThread, this.#connection);
  }

  /**
   * Where the engine finds the connection: the I/O thread, the slot there, and the connection's
   * number.
   */
  get connectionPlace(): { ioThread: number; slot: number; number: number } {
    return { ioThread: this.#ioThread, slot: this.#slot, number: this.#connection };
  }

  /** Bytes of the head; valid only in the turn in which the request came. */
  get headLength(): number {
    return this.#heads.events[this.#at + 3] as number;
  }

  /** The request's index on its connection. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The id by which the access log names the request. */
  get requestId(): string {
    const parts = [this.#ioThread, this.#connection, this.#sequence];
    return `${this.context.startId}-${parts.map((part) => part.toString(16)).join('-')}`;
  }

  /** Its place in its trace. */
  get trace(): RequestTrace {
    let trace = TRACES.get(this);
    if (trace === undefined) {
      const ids = this.context.traceIds.of([this.#ioThread, this.#connection, this.#sequence]);
      trace = new RequestTrace((name) => this.field(name), ids);
      TRACES.set(this, trace);
    }
    return trace;
  }

  /** The values of the route's parameters as sent, in the order of the pattern. */
  get params(): string[] {
    const values: string[] = [];
    const spans = this.#spans ?? [];
    for (let i = 0; i < spans.length; i += 2) {
      values.push(this.#cut(spans[i] as number, spans[i + 1] as number));
    }
    return values;
  }

  /** Made on demand: most handlers never look at it. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new GenuineAbortController();
      this.#signalScope = AsyncLocalStorage.snapshot();
      if (this.isGone && this.refusal === null) {
        this.#controller.abort();
      }
    }
    return this.#controller.signal;
  }

  get trailers(): Promise<ReactorHeaders> {
    return trailersOf(this);
  }

  inform(status: number, fields: readonly string[]): void {
    if (this.isOpen && this.onAck === null) {
      this.context.replies.inform(this.id, status, fields);
    } else if (this.isOpen || !this.isGone) {
      throw tooLate();
    }
  }

  get isLive(): boolean {
    return this.#heads.isLive;
  }

  field(name: string): string | null {
    if (!this.isLive) {
      return joined(this.fields(), name);
    }
    const { events } = this.#heads;
    let value: string | null = null;
    const end = this.#fieldsEnd();
    for (let i = this.#at + REQUEST_WORDS; i < end; i += 4) {
      if (isNamed(this.#heads, i, name)) {
        const text = this.#cut(events[i + 2] as number, events[i + 3] as number);
        value = value === null ? text : value + separatorOf(name) + text;
      }
    }
    return value;
  }

  hasField(name: string): boolean {
    if (!this.isLive) {
      return this.field(name) !== null;
    }
    const end = this.#fieldsEnd();
    for (let i = this.#at + REQUEST_WORDS; i < end; i += 4) {
      if (isNamed(this.#heads, i, name)) {
        return true;
      }
    }
    return false;
  }

  fields(): string[] {
    const fields = this.rawFields();
    for (let i = 0; i < fields.length; i += 2) {
      fields[i] = (fields[i] as string).toLowerCase();
    }
    return fields;
  }

  /** Names and values in turn, spelled as the client sent them. */
  rawFields(): string[] {
    const { text, start } = this.#heads;
    return fieldsOfHead(text, this.#head - start);
  }

  /** The same, quicker for fields that came before. To be called in the turn of the request. */
  recentRawFields(recent: RecentFields): string[] {
    const { text, start } = this.#heads;
    const head = this.#head - start;
    const lines = text.substring(text.indexOf('\r\n', head), head + this.headLength);
    let fields = recent.find(lines);
    if (fields === undefined) {
      fields = this.rawFields();
      recent.keep(lines, fields);
    }
    return fields;
  }

  /** Its connection is taken over: what the client sends from here on comes as a body. */
  takeOver(): StreamedIncoming {
    const incoming = new StreamedIncoming(this, 0);
    this.incoming = incoming;
    return incoming;
  }

  pull(bytes: number): void {
    this.context.pull(this, bytes);
  }

  collect(): void {
    this.context.collect(this);
  }

  lend(length: number): Uint8Array<ArrayBuffer> | null {
    return this.context.lend(this, length);
  }

  takeBack(length: number): void {
    this.context.takeBack(length);
  }

  takeBody(into: Uint8Array): boolean {
    return this.context.takeBody(this, into);
  }

  get webSockets(): WebSocketFace | null {
    return this.context.webSockets;
  }

  waitUntil(promise: unknown): void {
    this.context.waitUntil(this, promise);
  }

  /** The arrays are about to be reused. A body that may still be read is copied. */
  keepBody(): void {
    if (this.incoming instanceof WholeIncoming) {
      this.incoming.keep();
    }
  }

  /**
   * The client has closed its sending side. Nearly always it has gone, so the signal aborts. But it
   * may still read its answer, for which the engine allows one second.
   */
  hangUp(): void {
    this.isGone = true;
    this.#abort(undefined);
    this.watcher?.leaves(this);
  }

  /** The client has gone away. */
  abort(): void {
    this.isOpen = false;
    this.hangUp();
    if (this.incoming instanceof StreamedIncoming) {
      this.incoming.fail(this.signal.reason);
    }
    this.onGone?.();
    this.observed?.over();
  }

  /**
   * The engine refused the rest of the body and answered with this status. A handler that waits for
   * the body learns it from there, and the signal stays as it is. Any other handler learns it from
   * the signal.
   */
  refuse(status: number): void {
    this.isOpen = false;
    this.isGone = true;
    this.refusal = new RefusedBodyError(status);
    const { incoming } = this;
    if (!(incoming instanceof StreamedIncoming && incoming.isAwaited)) {
      this.#controller ??= new GenuineAbortController();
      this.#abort(this.refusal);
    }
    if (incoming instanceof StreamedIncoming) {
      incoming.fail(this.refusal);
    }
    this.watcher?.leaves(this);
    this.onGone?.();
    this.observed?.answered(status);
    this.observed?.over();
  }

  /** The client has taken bytes of the response. */
  taken(bytes: number): void {
    this.onAck?.(bytes);
    this.watcher?.taken(bytes);
  }

  /** Why it ended before it was answered. */
  get reason(): unknown {
    return this.refusal ?? this.signal.reason;
  }

  /** The engine has answered with 503, because the handler took too long. */
  timeOut(): void {
    this.isOpen = false;
    this.observed?.answered(503);
    this.#controller ??= new GenuineAbortController();
    this.#abort(
      new GenuineDOMException(
        'The request was not answered within "requestTimeout"',
        'TimeoutError',
      ),
    );
    this.abort();
  }

  /** A reply has ended it. */
  end(): void {
    this.isOpen = false;
    if (this.incoming instanceof StreamedIncoming) {
      this.incoming.fail(answered());
    }
    this.observed?.over();
  }

  /** Listeners of the signal run in the request's async context, not the lane's. */
  #abort(reason: unknown): void {
    const controller = this.#controller;
    if (controller !== null) {
      (this.#signalScope ?? ((call) => call()))(() => controller.abort(reason));
    }
  }

  #forwarded(): Origin | null {
    const { proxies } = this.context;
    if (proxies === null) {
      return null;
    }
    this.#origin ??= proxies.originOf(
      this,
      this.#peerAddress,
      this.#peerPort,
      this.scheme,
      this.#isProxied ? 1 : 0,
    );
    return this.#origin;
  }

  /** The words after the fields are route parameters. */
  #fieldsEnd(): number {
    const count = this.#heads.events[this.#at + 7] as number;
    return this.#at + REQUEST_WORDS + 4 * count;
  }

  #cut(offset: number, length: number): string {
    const { text, start } = this.#heads;
    return text.substring(offset - start, offset - start + length);
  }

  #unusualMethod(): string {
    const { text, start } = this.#heads;
    const from = this.#head - start;
    return text.substring(from, text.indexOf(' ', from));
  }
}

/** A number for the connection with this number on this I/O thread. */
export function connectionKeyOf(ioThread: number, number: number): number {
  return ioThread * 2 ** 32 + number;
}

function spansOf(events: Uint32Array, at: number): number[] {
  const spans: number[] = [];
  const count = events[at + 16] as number;
  let i = at + REQUEST_WORDS + 4 * (events[at + 7] as number);
  for (let left = count; left > 0; left--, i += 4) {
    spans.push(events[i + 2] as number, events[i + 3] as number);
  }
  return spans;
}
