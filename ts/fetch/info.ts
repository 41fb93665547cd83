import { type InspectOptions, inspect } from 'node:util';
import type { DenoAddress, NodeAddress, PeerAddress } from '../types/addresses.js';
import type { HttpProtocol, RequestPriority } from '../types/handler.js';
import type { ProxyInfo } from '../types/proxy.js';
import type { TlsInfo } from '../types/tls-info.js';
import type { UpgradeOptions, WebSocketStream } from '../types/websocket.js';
import { familyOf } from './address.js';
import { informationalFields, linkFields } from './informational.js';
import { setOwn } from './own-property.js';
import { priorityOf } from './priority.js';
import {
  type ReactorRequest,
  type RequestSource,
  requestBehind,
  sourceOf,
  waitUntilOf,
} from './request.js';
import type { RequestTrace } from './trace.js';
import type { WebSocketFace } from './web-sockets.js';

/**
 * The second argument of a handler. One is made for every request, and is as empty as the request.
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

  get trace(): RequestTrace {
    return sourceOf(this.#request).trace;
  }

  get protocol(): HttpProtocol {
    return sourceOf(this.#request).protocol;
  }

  get priority(): RequestPriority {
    return priorityOf(sourceOf(this.#request).field('priority'));
  }

  get sendInformational(): (status: number, headers?: unknown) => void {
    const source = sourceOf(this.#request);
    return (status, headers) => source.inform(status, informationalFields(status, headers));
  }

  get earlyHints(): (links: string | readonly string[]) => void {
    const source = sourceOf(this.#request);
    return (links) => source.inform(103, linkFields(links).flat());
  }

  get tls(): TlsInfo | null {
    return sourceOf(this.#request).tls;
  }

  get proxy(): ProxyInfo | null {
    return sourceOf(this.#request).proxy;
  }

  /** The address in Deno's form. */
  get remoteAddr(): DenoAddress {
    const { remoteAddress: hostname, remotePort: port } = this;
    return hostname === undefined
      ? { transport: 'unix', path: '' }
      : { transport: 'tcp', hostname, port: port ?? 0 };
  }

  /** Where frameworks for @hono/node-server look for the address. */
  get incoming(): { readonly socket: NodeAddress } {
    const { remoteAddress, remotePort } = this;
    const remoteFamily = familyOf(remoteAddress);
    return { socket: { remoteAddress, remotePort, remoteFamily } };
  }

  /** Under the name that it has on Bun's server, which Bun passes in this place. */
  get requestIP(): (request: Request) => PeerAddress | null {
    return (request) => {
      const asked = requestBehind(request);
      return asked === undefined ? null : addressOf(asked);
    };
  }

  /** As on Bun's server, which Bun passes in this place. */
  get upgrade(): typeof upgradeRequest {
    return upgradeRequest;
  }

  get acceptWebSocket(): typeof acceptWebSocket {
    return acceptWebSocket;
  }

  get publish(): WebSocketFace['publish'] {
    const sockets = webSocketsOf(sourceOf(this.#request));
    return (topic, data, options) => sockets.publish(topic, data, options);
  }

  get subscriberCount(): WebSocketFace['subscriberCount'] {
    const sockets = webSocketsOf(sourceOf(this.#request));
    return (topic) => sockets.subscriberCount(topic);
  }

  get subscribers(): WebSocketFace['subscribers'] {
    const sockets = webSocketsOf(sourceOf(this.#request));
    return (topic) => sockets.subscribers(topic);
  }

  /** As on Cloudflare's execution context, which Hono and others expect. */
  get waitUntil(): (promise: unknown) => void {
    return waitUntilOf(sourceOf(this.#request));
  }

  set waitUntil(value: (promise: unknown) => void) {
    setOwn(this, 'waitUntil', value);
  }

  /** No-op: there is no origin behind the server that could answer instead. */
  passThroughOnException(): void {}

  get props(): Readonly<Record<string, unknown>> {
    return {};
  }

  get params(): Readonly<Record<string, string>> {
    return this.#request.params;
  }

  /** h3 uses this object as its context, and stores the parameters of its own routes here. */
  set params(value: Readonly<Record<string, string>>) {
    setOwn(this, 'params', value);
  }

  toJSON(): Record<string, unknown> {
    const { remoteAddress, remotePort, requestId, protocol, params } = this;
    // Frameworks may have added properties of their own.
    return Object.assign(
      {},
      { remoteAddress, remotePort, requestId, protocol, params },
      this as object,
    );
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `HandlerInfo ${inspect(this.toJSON(), options)}`;
  }
}

/** The address that a request came from, in Bun's form; `null` on a unix socket. */
export function addressOf(request: ReactorRequest): PeerAddress | null {
  const { remoteAddress: address, remotePort: port } = sourceOf(request);
  if (address === undefined) {
    return null;
  }
  return { address, family: familyOf(address), port: port ?? 0 };
}

/**
 * Makes a handler's request a WebSocket.
 * @throws {TypeError} for a request that is no handler's
 */
export function upgradeRequest(request: unknown, options: UpgradeOptions | undefined): boolean {
  const source = sourceOf(handlersRequest('upgrade', request));
  return webSocketsOf(source).upgrade(source, options);
}

function acceptWebSocket(request: unknown, options: UpgradeOptions | undefined): WebSocketStream {
  const source = sourceOf(handlersRequest('acceptWebSocket', request));
  return webSocketsOf(source).accept(source, options);
}

function handlersRequest(method: string, request: unknown): ReactorRequest {
  const asked = requestBehind(request);
  if (asked === undefined) {
    throw new TypeError(
      `"${method}" takes the request that a handler was called with, got ${inspect(request)}`,
    );
  }
  return asked;
}

function webSocketsOf({ webSockets }: RequestSource): WebSocketFace {
  if (webSockets === null) {
    throw new TypeError('requests of this server cannot become WebSockets here');
  }
  return webSockets;
}
