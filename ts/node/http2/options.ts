import http2 from 'node:http2';
import { warnUnsupported } from '../errors.js';
import type { EngineOptions, ServerOptions } from '../options.js';
import { MOST_HEAD } from '../tunables.js';
import { assertObject } from './arguments.js';
import type { MessageClasses } from './compat.js';

/**
 * The options of `http2.createServer`: the engine's and Node's, in one object. Of Node's these have an
 * effect:
 *
 * - `settings.maxConcurrentStreams` is `limits.streams`, `settings.maxHeaderListSize` is
 *   `limits.head` (by default 65535), and `maxHeaderListPairs` is `limits.fields`.
 * - With `settings.enableConnectProtocol` clients are told that WebSockets may be streams. They come to
 *   'upgrade', where a `WebSocketServer` of `reactor-rs/ws` takes them.
 * - `Http2ServerRequest` and `Http2ServerResponse`, and for HTTP/1.1 `http1Options`,
 *   `Http1IncomingMessage` and `Http1ServerResponse`.
 */
export interface Http2ServerOptions extends EngineOptions, http2.ServerOptions {}

/** Of Node's options, those that do not go to an HTTP/1 server. */
const NAMES: readonly string[] = [
  ...['maxDeflateDynamicTableSize', 'maxSettings', 'maxSessionMemory', 'maxHeaderListPairs'],
  ...['maxOutstandingPings', 'maxOutstandingSettings', 'maxSendHeaderBlockLength'],
  ...['paddingStrategy', 'peerMaxConcurrentStreams', 'maxSessionInvalidFrames'],
  ...['maxSessionRejectedStreams', 'settings', 'streamResetBurst', 'streamResetRate'],
  ...['remoteCustomSettings', 'Http1IncomingMessage', 'Http1ServerResponse'],
  ...['Http2ServerRequest', 'Http2ServerResponse', 'unknownProtocolTimeout'],
  ...['strictFieldWhitespaceValidation', 'strictSingleValueFields', 'http1Options', 'origins'],
  ...['allowHTTP1', 'ALPNProtocols'],
];

/** Node's limit of a head, in bytes. */
const HEAD = 65_535;
const LEAST_HEAD = 128;

/** The engine's highest limits. */
const MOST_STREAMS = 10_000;
const MOST_FIELDS = 10_000;
const STREAMS = 100;

/** Options that have been taken apart. */
export interface Parted {
  /** For the server that all protocols share, as those of an HTTP/1 server. */
  readonly shared: ServerOptions;
  readonly classes: MessageClasses;
  readonly settings: http2.Settings;
}

/** Checks and separates the options. */
export function partOptions(given: Http2ServerOptions): Parted {
  assertObject(given, 'options');
  const { settings = {}, maxHeaderListPairs, limits = {} } = given;
  assertObject(settings, 'options.settings');
  const own = given as Record<string, unknown>;
  if (own.origins !== undefined) {
    const why = 'the engine sends no ORIGIN frame';
    warnUnsupported('origins', `option "origins" of node:http2 has no effect here: ${why}`);
  }
  const { http1Options, Http1IncomingMessage, Http1ServerResponse } = own;
  const http1: Record<string, unknown> = {
    ...(Http1IncomingMessage === undefined ? {} : { IncomingMessage: Http1IncomingMessage }),
    ...(Http1ServerResponse === undefined ? {} : { ServerResponse: Http1ServerResponse }),
    ...(http1Options as object | undefined),
  };
  const rest = Object.fromEntries(Object.entries(own).filter(([name]) => !NAMES.includes(name)));
  const { maxHeaderListSize, maxHeaderSize = maxHeaderListSize } = settings as {
    maxHeaderListSize?: number;
    maxHeaderSize?: number;
  };
  const streams = limits.streams ?? within(settings.maxConcurrentStreams, MOST_STREAMS) ?? STREAMS;
  const head = Math.max(within(maxHeaderSize, MOST_HEAD) ?? HEAD, LEAST_HEAD);
  const fields = within(maxHeaderListPairs, MOST_FIELDS);
  return {
    shared: {
      // A stream may last as long as it likes.
      requestTimeout: 0,
      maxHeaderSize: head,
      ...rest,
      ...http1,
      limits: { ...(fields === undefined ? {} : { fields }), ...limits, streams },
    } as ServerOptions,
    classes: {
      Http2ServerRequest: given.Http2ServerRequest ?? http2.Http2ServerRequest,
      Http2ServerResponse: (given.Http2ServerResponse ??
        http2.Http2ServerResponse) as MessageClasses['Http2ServerResponse'],
    },
    settings: {
      ...http2.getDefaultSettings(),
      enablePush: false,
      maxConcurrentStreams: streams,
      maxHeaderListSize: limits.head ?? head,
      enableConnectProtocol: settings.enableConnectProtocol === true,
    },
  };
}

function within(value: number | undefined, most: number): number | undefined {
  return typeof value === 'number' && value > 0 ? Math.min(Math.ceil(value), most) : undefined;
}
