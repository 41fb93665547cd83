import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { warnUnsupported } from '../node/errors.js';
import {
  DEDICATED,
  type ResolvedSettings,
  SHARED,
  settingsWith,
  TERMINATE,
  UNCOMPRESSED,
} from '../websocket/settings.js';
import type { WebSocket } from './socket.js';

/** Options of compression (RFC 7692), of which the engine knows these. */
export interface PerMessageDeflateOptions {
  /**
   * `false`: each connection has a compressor of its own, which remembers earlier messages. That
   * takes some 300 KiB of memory a connection.
   * @default true
   */
  serverNoContextTakeover?: boolean;
  /**
   * Bytes below which a message is not compressed.
   * @default 1024
   */
  threshold?: number;
  /** `level`, 1 to 9, by default 1. */
  zlibDeflateOptions?: { level?: number };
  [other: string]: unknown;
}

/** What {@link ServerOptions.verifyClient} is asked about. */
export interface ClientInfo {
  origin: string | undefined;
  secure: boolean;
  req: IncomingMessage;
}

/** What {@link ServerOptions.verifyClient} calls back with. Without `verified` the answer is a 401. */
export type Verified = (
  verified: boolean,
  status?: number,
  message?: string,
  headers?: Record<string, string>,
) => void;

/** As the options of `ws`, of which exactly one of `server`, `noServer` and `port` is given. */
export interface ServerOptions {
  /** A server of `reactor-rs/node`. */
  server?: HttpServer | null;
  /** The program calls `handleUpgrade` itself. */
  noServer?: boolean;
  port?: number | null;
  host?: string | null;
  backlog?: number | null;
  /** Only requests for this path are taken. Others get a 400. */
  path?: string | null;
  /**
   * Keeps `clients`.
   * @default true
   */
  clientTracking?: boolean;
  /** Chooses one of the offered subprotocols. By default it is the first. */
  handleProtocols?: ((protocols: Set<string>, req: IncomingMessage) => string | false) | null;
  /** Decides who may come: by its result, or with two parameters by calling back. */
  verifyClient?: ((info: ClientInfo, done: Verified) => unknown) | null;
  /**
   * The most bytes of a message; 0 for no limit.
   * @default 104857600
   */
  maxPayload?: number;
  /**
   * Compression, if the client offers it.
   * @default false
   */
  perMessageDeflate?: boolean | PerMessageDeflateOptions;
  /**
   * Milliseconds that a client may take to answer a close frame.
   * @default 30000
   */
  closeTimeout?: number;
  /**
   * Milliseconds without a byte from the client until its connection is closed. The engine pings it
   * before. 0 for none, as in `ws`.
   * @default 0
   */
  idleTimeout?: number;
  /**
   * The most bytes that may wait for a client. One that takes less is cut off.
   * @default 134217728
   */
  maxUnsent?: number;
  /** Without effect: the engine answers pings always. */
  autoPong?: boolean;
  /** Without effect: text is always checked. */
  skipUTF8Validation?: boolean;
  /** Without effect. */
  allowSynchronousEvents?: boolean;
  /** The class of connections, derived from {@link WebSocket}. */
  WebSocket?: typeof WebSocket;
  [other: string]: unknown;
}

const MIB = 1024 * 1024;

/** As in `ws`. */
const MOST_PAYLOAD = 100 * MIB;
const THRESHOLD = 1024;

/** In the place of no limit. */
const UNLIMITED = 2 ** 32;

const MOST_UNSENT = 128 * MIB;

/** `ws` has no limit for the time of a message. This one leaves time for 100 MiB. */
const MESSAGE_TIMEOUT = 300_000;

const CLOSE_TIMEOUT = 30_000;

/** The engine's settings for a server with these options. */
export function settingsOf(options: ServerOptions): ResolvedSettings {
  if (options.autoPong === false) {
    warnUnsupported(
      'ws:autoPong',
      'option "autoPong" of ws has no effect here: the engine answers pings itself',
    );
  }
  const { perMessageDeflate, maxPayload = MOST_PAYLOAD, idleTimeout = 0 } = options;
  const deflate = typeof perMessageDeflate === 'object' ? perMessageDeflate : {};
  const { threshold = THRESHOLD, serverNoContextTakeover = true, zlibDeflateOptions } = deflate;
  const level = zlibDeflateOptions?.level ?? 1;
  const compression = serverNoContextTakeover ? SHARED : DEDICATED;
  return settingsWith({
    maxPayload: maxPayload > 0 ? maxPayload : UNLIMITED,
    idleTimeout,
    messageTimeout: MESSAGE_TIMEOUT,
    closeTimeout: options.closeTimeout ?? CLOSE_TIMEOUT,
    maxUnsent: options.maxUnsent ?? MOST_UNSENT,
    whenFull: TERMINATE,
    compression: perMessageDeflate ? compression : UNCOMPRESSED,
    level: level >= 1 && level <= 9 ? level : 1,
    threshold,
    tellPings: true,
  });
}
