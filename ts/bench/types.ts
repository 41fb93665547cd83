import type { TlsEncryptedKey, TlsText } from '../types/tls.js';

/** What to load, how hard and for how long. Times are milliseconds. */
export interface BenchOptions {
  /** Client threads, 1 to 64 and at most `connections`. @default 1 */
  threads?: number | undefined;
  /** Connections over all threads, 1 to 65535. @default 64 */
  connections?: number | undefined;
  /**
   * Ends sending after this long, 1 to 86400000. Answers still out are awaited.
   * @default 10000, or no end when `requests` is given
   */
  duration?: number | undefined;
  /** Ends after exactly this many requests, 1 to 2^53 - 1. @default no bound */
  requests?: number | undefined;
  /** Requests that one connection may have out at once, 1 to 1024. @default 1 */
  pipeline?: number | undefined;
  /** Use connections for more than one request. @default true */
  keepAlive?: boolean | undefined;
  /**
   * Speak HTTP/2: over `https://` by ALPN, over `http://` by prior knowledge. A server that does not
   * is an error at the start. `pipeline` is for HTTP/1.1. @default false
   */
  http2?: boolean | undefined;
  /**
   * Requests that one connection of HTTP/2 has out at once, 1 to 10000, each on a stream of its own. A
   * server may allow fewer. @default 10, or 1 without `keepAlive`
   */
  streams?: number | undefined;
  /**
   * An open loop: so many requests a second, 1 to 10000000, spread evenly over time, however
   * the server answers. Latency counts from the time at which a request was due. So the wait for
   * a free connection is part of it (no coordinated omission).
   * @default a closed loop: the next request when an answer has come
   */
  rate?: number | undefined;
  /** Load that is not counted, before what is; 0 to 86400000. @default 0 */
  warmup?: number | undefined;
  /**
   * For a connection to open, and for a whole answer from when its request was sent, 1 to
   * 86400000. It is exact to a twentieth or 100 ms, whichever is less.
   * @default 5000
   */
  timeout?: number | undefined;
  /** Request method, as sent; not CONNECT. @default 'GET' */
  method?: string | undefined;
  /** Request headers. `Content-Length` is written by the client. @default none */
  headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** Request body; a string is sent as UTF-8. At most 64 MiB. @default none */
  body?: string | Uint8Array | undefined;
  /** The one right status, 100 to 999. @default any from 200 to 399 */
  expectStatus?: number | undefined;
  /** The one right body, byte for byte. @default any */
  expectBody?: string | Uint8Array | undefined;
  /**
   * Connect to this unix socket, or with a zero byte before it to this abstract name; the
   * URL still gives Host and target.
   */
  unix?: string | undefined;
  /**
   * Each connection begins with a header of the PROXY protocol in this version, as if it came through
   * a balancer. Its addresses are those of the connection. @default none
   */
  proxyProtocol?: 'v1' | 'v2' | undefined;
  /** How the client speaks TLS; for `https://` and `wss://` URLs. @default as Node's clients */
  tls?: BenchTlsOptions | undefined;
  /**
   * What is sent over a WebSocket; for `ws://` and `wss://` URLs. There each message is what is called
   * a request here. It has to come back as it was, or as `expectBody` says. `pipeline` is how many one
   * connection has out at once, and `body` is the message.
   */
  webSocket?: BenchWebSocketOptions | undefined;
  /** Stops the run; `bench` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called twice a second with how the run stands. */
  onProgress?: ((progress: BenchProgress) => void) | undefined;
}

/** How the client speaks TLS. It offers one protocol only (ALPN): `h2` with `http2`, else `http/1.1`. */
export interface BenchTlsOptions {
  /**
   * Authorities that may have signed the server's certificate, or that certificate itself: PEM text,
   * bytes, a path, or a `file:` URL. @default those that Node trusts
   */
  ca?: TlsText | readonly TlsText[] | undefined;
  /** The client's certificate, followed by those that signed it. As `ca`. @default none */
  cert?: TlsText | readonly TlsText[] | undefined;
  /** The private key of `cert`. As `ca`, or `{ pem, passphrase }`. */
  key?: TlsText | TlsEncryptedKey | undefined;
  /** The passphrase of an encrypted `key`. */
  passphrase?: string | undefined;
  /**
   * With `false`, any certificate will do, and the server's signature is not checked either. That
   * makes a full handshake cheaper for the client. @default true
   */
  rejectUnauthorized?: boolean | undefined;
  /** The name that is asked for (SNI) and must be in the certificate. @default that of the URL */
  serverName?: string | undefined;
  /** The only version that is offered. @default 1.2 and 1.3 */
  version?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /** Names of cipher suites with colons between. @default all, those with AES-128 first */
  ciphers?: string | undefined;
  /**
   * Take up earlier sessions, as browsers do. A ticket of TLS 1.3 is used once; so where a server
   * gives none when a session is resumed, as Node does, part of the handshakes are full. With
   * `false` all are.
   * @default true
   */
  resume?: boolean | undefined;
}

/** What goes over WebSockets. */
export interface BenchWebSocketOptions {
  /** Bytes of a message, 1 to 67108864; a `body` is the message instead. @default 20 */
  size?: number | undefined;
  /** Binary messages instead of text. @default false */
  binary?: boolean | undefined;
  /**
   * Compress with permessage-deflate, each message by itself; it is an error if the server does not
   * agree. @default false
   */
  compress?: boolean | undefined;
  /**
   * A broadcast: so many connections, 1 to 65534, wait for the messages that one more connection
   * sends `rate` times a second, and the server has to pass each to all of them. Every message counts
   * once for each subscriber, and is in time if it came within `timeout` after the last was sent. Its
   * first 10 bytes are its number. @default each connection waits for its own messages
   */
  subscribers?: number | undefined;
}

/** A run as it stands. */
export interface BenchProgress {
  /** Milliseconds since the start, warm-up included; 0 while connections open. */
  elapsedMs: number;
  /** In the warm-up, or before it. */
  warmingUp: boolean;
  /** Requests with an outcome so far. */
  requests: number;
  /** Those that failed. */
  errors: number;
  /** Latency so far. */
  latency: BenchLatency;
}

/** What a run came to. Counts leave out warm-up. */
export interface BenchResult {
  /** What was loaded. */
  url: string;
  /** How. */
  settings: BenchSettings;
  /** Why it ended; `stop` is an interrupt. */
  stoppedBy: 'duration' | 'requests' | 'stop';
  /** From the end of the warm-up to the last answer, or to the end of the duration. */
  durationMs: number;
  /** Requests with an outcome: `succeeded` plus `errors.total`. */
  requests: number;
  /** Requests whose answer was complete and as expected. */
  succeeded: number;
  /**
   * Requests a second, over the time in which requests went out. An open loop counts all. A
   * closed loop counts those that had their outcome in that time, so that a late answer at the end
   * does not make the rate smaller. If none had, it is all requests over `durationMs`.
   */
  rate: number;
  /** The other requests, by class. */
  errors: BenchErrors;
  /** The first error of each class, in words. */
  firstErrors: BenchFirstError[];
  /** Complete answers by status. */
  statuses: BenchStatus[];
  /** Bytes on the wire. */
  bytes: BenchBytes;
  /** Connections. */
  connections: BenchConnections;
  /** TLS handshakes; `null` without TLS. */
  tls: BenchTls | null;
  /** What ended streams and connections of HTTP/2 early; `null` for HTTP/1.1. */
  http2: BenchHttp2 | null;
  /**
   * From when a request was due to its whole answer. Requests that timed out or
   * never went out count with the time they had waited.
   */
  latency: BenchLatency;
  /** The latencies in steps of one ratio, without gaps. */
  histogram: LatencyBucket[];
  /** What an open loop has besides; `null` for a closed one. */
  openLoop: BenchOpenLoop | null;
  /** The busiest client thread's share of a core. Near 1 the client was the bottleneck. */
  clientLoad: number;
}

/** The load as it was. */
export interface BenchSettings {
  /** Client threads. */
  threads: number;
  /** Connections over all threads. */
  connections: number;
  /** Requests that one connection had out at most. */
  pipeline: number;
  /** Connections carried more than one request. */
  keepAlive: boolean;
  /** Streams that one connection had open at most; `null` for HTTP/1.1. */
  streams: number | null;
  /** Whether TLS sessions were taken up again; `null` without TLS. */
  resume: boolean | null;
  /** What went over WebSockets; `null` for requests. */
  webSocket: BenchWebSocketSettings | null;
  /** Requests a second of an open loop. */
  rate: number | null;
  /** Asked for, in milliseconds. */
  durationMs: number | null;
  /** Asked for. */
  requests: number | null;
  /** Milliseconds before anything counted. */
  warmupMs: number;
  /** Milliseconds. */
  timeoutMs: number;
}

/** The messages as they were. */
export interface BenchWebSocketSettings {
  /** Bytes of a message, before it was compressed. */
  size: number;
  /** Binary instead of text. */
  binary: boolean;
  /** With permessage-deflate. */
  compress: boolean;
  /** Connections that waited for a broadcast; `null` if there was none. */
  subscribers: number | null;
}

/** Failed requests by class. Every one is in one class. */
export interface BenchErrors {
  /** All of them. */
  total: number;
  /** No connection could be opened, or its TLS handshake or upgrade to a WebSocket failed. */
  connect: number;
  /** The connection broke while the request was being sent. */
  send: number;
  /**
   * It broke before the whole answer had come, or what came was no HTTP response. So is a stream of
   * HTTP/2 that the server reset, and a message of a broadcast that did not come, though a later one did.
   */
  receive: number;
  /** No whole answer within the timeout. */
  timeout: number;
  /** Another status than the expected one. */
  status: number;
  /** The right status and another body than the expected one. */
  body: number;
}

/** One error in words. */
export interface BenchFirstError {
  /** A class of {@link BenchErrors}. */
  class: Exclude<keyof BenchErrors, 'total'>;
  /** What happened. */
  message: string;
}

/** How often a status came. */
export interface BenchStatus {
  /** The status code. */
  status: number;
  /** Complete answers that had it. */
  count: number;
}

/** Bytes on the wire. */
export interface BenchBytes {
  /** Written to sockets. */
  sent: number;
  /** Read from sockets. */
  received: number;
}

/** Connections over the whole run, warm-up included. */
export interface BenchConnections {
  /** Opened, with their TLS handshakes. */
  opened: number;
  /** Attempts that failed. */
  failed: number;
  /**
   * Closed because the server sent bytes that answer no request, as after a
   * Content-Length that is too small.
   */
  unasked: number;
}

/** TLS handshakes over the whole run, warm-up included. */
export interface BenchTls {
  /** The version that the first handshake agreed on, such as `TLSv1.3`. */
  version: string;
  /** Its cipher, by OpenSSL's name. */
  cipher: string;
  /** The group of its key exchange. */
  group: string | null;
  /** Handshakes that were done. Those that failed are in `connections.failed`. */
  handshakes: number;
  /** Those of them that took up an earlier session. */
  resumed: number;
  /** From the open connection to the end of its handshake. */
  handshake: BenchLatency;
  /** The same in steps of one ratio, without gaps. */
  histogram: LatencyBucket[];
}

/** What servers of HTTP/2 sent to end streams and connections, over the whole run, warm-up included. */
export interface BenchHttp2 {
  /** RST_STREAM frames by error code. The request of each has failed. */
  resets: BenchHttp2Code[];
  /**
   * GOAWAY frames by error code. With `NO_ERROR` the requests that the server will not answer go out
   * again on another connection; with any other they have failed.
   */
  goaways: BenchHttp2Code[];
}

/** How often an error code came. */
export interface BenchHttp2Code {
  /** As RFC 9113 calls it, such as `REFUSED_STREAM`. */
  code: string;
  /** Frames that had it. */
  count: number;
}

/** A distribution of times in nanoseconds, exact to a thousandth. */
export interface BenchLatency {
  /** Values counted. */
  count: number;
  /** The smallest. */
  minNs: number;
  /** Arithmetic mean. */
  meanNs: number;
  /** Standard deviation. */
  stdevNs: number;
  /** Median. */
  p50Ns: number;
  /** 75th percentile. */
  p75Ns: number;
  /** 90th percentile. */
  p90Ns: number;
  /** 99th percentile. */
  p99Ns: number;
  /** 99.9th percentile. */
  p999Ns: number;
  /** 99.99th percentile. */
  p9999Ns: number;
  /** The largest. */
  maxNs: number;
}

/** Part of a distribution. */
export interface LatencyBucket {
  /** The longest time in it; the bucket before ends where it begins. */
  upToNs: number;
  /** Values in it. */
  count: number;
}

/** What only an open loop has. */
export interface BenchOpenLoop {
  /** Requests a second that were asked for. */
  targetRate: number;
  /** Every request went out, and at no less than 99 % of the rate; however late the answers. */
  reached: boolean;
  /** Requests that were due and never went out: no connection was free in time. */
  unsent: number;
  /** How late requests went out. Part of the latency. */
  sendDelay: BenchLatency;
}
