import type { PubSubStats } from './pubsub.js';

/** A server's counters at one moment, all since its start. */
export interface Stats {
  /** Milliseconds since the start. */
  uptimeMs: number;
  /** Whether it wants new clients, as `/readyz` tells. */
  ready: boolean;
  /** Whether it stops, or has said that it is about to. */
  stopping: boolean;
  connections: ConnectionStats;
  /** TLS handshakes and certificates. */
  tls: TlsStats;
  /** The PROXY protocol. */
  proxyProtocol: ProxyProtocolStats;
  /** WebSockets. */
  webSockets: WebSocketStats;
  /** HTTP/2. */
  http2: Http2Stats;
  requests: RequestStats;
  /** Answered requests by route and method, up to 256 rows. */
  routes: RouteStats[];
  bytes: ByteStats;
  tasks: TaskStats;
  handlers: HandlerStats;
  /** Each I/O thread. */
  ioThreads: IoThreadStats[];
  /** Each worker thread. */
  workerThreads: WorkerThreadStats[];
  /** Each JavaScript thread that runs handlers. */
  lanes: LaneStats[];
  /**
   * What each JavaScript thread that runs handlers has told of itself, a few seconds ago. Empty without
   * a metrics listener and a control socket.
   */
  node: NodeStats[];
  /** The access log; `null` if there is none. */
  accessLog: AccessLogStats | null;
  /** The topics at a broker; there only with the option `pubsub`. */
  pubsub?: PubSubStats;
}

/** A JavaScript thread. Sizes are in bytes. */
export interface NodeStats {
  /** As in the metrics: `'main'`, or `'js-'` and a number. */
  thread: string;
  /** Milliseconds since it told this. */
  ageMs: number;
  /** Its heap: what is in use. */
  heapUsed: number;
  /** Its heap: what it has. */
  heapTotal: number;
  /** Its heap: what it may have. */
  heapLimit: number;
  /** Memory outside of the heap that its objects hold, such as that of buffers. */
  external: number;
  /** Its garbage collections, and the milliseconds that they took. */
  gc: { count: number; ms: number };
  /** Its event loop, in milliseconds. */
  eventLoop: {
    /** Time that it was not asleep. */
    activeMs: number;
    /** Time that it was asleep. */
    idleMs: number;
    /** How late a timer was. */
    lag: number;
    /** From a wake by the engine to the turn that it leads to; the median. */
    p50: number;
    /** The 99th percentile. */
    p99: number;
    /** The largest. */
    max: number;
  };
}

/** The records of the access log. */
export interface AccessLogStats {
  /** Written. */
  written: number;
  /** Lost: the writer was too slow, or could not write. */
  lost: number;
  /** Writes that failed. */
  errors: number;
}

/** Connections. */
export interface ConnectionStats {
  /** Accepted and given to an I/O thread. */
  accepted: number;
  /** Open now. */
  open: number;
  /** Turned away with 503 because `maxConnections` were open. */
  refused: number;
  /**
   * How often accepting paused after an error that concerns more than one connection: no file
   * descriptors, no memory, or no permission. The first error of each kind is printed on stderr.
   */
  acceptPauses: number;
  /** Closed, by reason. */
  closed: ClosedStats;
}

/** Closed connections, by reason. */
export interface ClosedStats {
  /** The peer closed it, after its last answer. */
  peer: number;
  /** An answer said `Connection: close`, as the client had asked. */
  served: number;
  /** A request was malformed or over a limit, and was answered so. */
  rejected: number;
  /** No request came for the keep-alive timeout. */
  idle: number;
  /** A head or a body came too slowly. */
  requestTimeout: number;
  /** The peer took no output for the write timeout. */
  writeTimeout: number;
  /** The peer reset it, or left in the middle of a request. */
  aborted: number;
  /** The server was stopping. */
  stopped: number;
  /** The TLS handshake failed, or took too long. */
  handshake: number;
  /** The PROXY protocol: see {@link ProxyProtocolStats.failed}. */
  proxy: number;
}

/** WebSockets. */
export interface WebSocketStats {
  /** Opened since the start. */
  opened: number;
  /** Open now. */
  open: number;
  /** Messages from clients. */
  received: number;
  /** Messages to clients; one that is published counts for each. */
  sent: number;
  /** Published messages that a client had no room for. */
  dropped: number;
}

/** HTTP/2. Its requests and their answers are in `requests` too. */
export interface Http2Stats {
  /** Connections that speak it now. */
  connections: number;
  /** Streams that are open now. */
  streams: number;
  /** Requests since the start. */
  requests: number;
  /** Streams that clients reset. */
  resetsReceived: number;
  /** Streams that the server reset: the request was malformed, or the answer broke off. */
  resetsSent: number;
  /** Streams that were refused because `limits.streams` were open, or because the server stops. */
  refused: number;
  /** Connections that were ended because of what the client did. */
  goaways: number;
}

/** TLS handshakes, and what new ones get. */
export interface TlsStats {
  /** Done, with a new session. */
  full: number;
  /** Done, with a session of an earlier connection. */
  resumed: number;
  /**
   * Failed, by kind, such as `plain-http`, `alert`, `client-certificate`, `unknown-name` or
   * `incompatible`. Kinds that have not happened are left out.
   */
  failed: Record<string, number>;
  /** Not done within `handshakeTimeout`. */
  timedOut: number;
  /** Closed because too many waited. */
  shed: number;
  /** Steps that an I/O thread took because the worker threads had enough of them. */
  onLoops: number;
  /** Configurations that have replaced another. */
  reloads: number;
  /** Configurations that were to replace another, and were wrong. */
  reloadFailures: number;
  /** The certificates that new handshakes get. */
  certificates: CertificateStats[];
}

/** The PROXY protocol, by {@link ServeOptions.proxyProtocol}. */
export interface ProxyProtocolStats {
  /** Headers of version 1. */
  v1: number;
  /** Headers of version 2. */
  v2: number;
  /** Those of them that a balancer sent for itself, as in a health check. */
  local: number;
  /** Connections that were closed, by reason. */
  failed: {
    /** The peer is not named by `trustProxy`. */
    untrusted: number;
    /** They began with something else. */
    missing: number;
    /** The header was not exactly right, or not whole. */
    malformed: number;
    /** It did not come within `timeouts.head`. */
    timeout: number;
  };
}

/** A certificate of a listener. */
export interface CertificateStats {
  /** The place of its listener: 0, or its index in `listen`. */
  listener: number;
  /** Its subject, such as `CN=example.com`. */
  subject: string;
  /** Its serial number, in hexadecimal. */
  serial: string;
  /** The DNS names and addresses that it is for. */
  names: string[];
  /** The last second in which it is valid, since 1970. */
  expires: number;
}

/** Requests, and responses by class. */
export interface RequestStats {
  /** Request heads read. */
  total: number;
  /** 1xx responses. */
  informational: number;
  /** 2xx responses. */
  success: number;
  /** 3xx responses. */
  redirect: number;
  /** 4xx responses. */
  clientError: number;
  /** 5xx responses. */
  serverError: number;
  /**
   * From a request's head to the last byte of its answer handed to the kernel. Counted with an
   * access log or a metrics listener, and while `reactor-rs monitor` watches.
   */
  latency: LatencyStats;
}

/** The requests of one route with one method. */
export interface RouteStats {
  /** Such as `'GET'`; `'OTHER'` for one that HTTP does not define. */
  method: string;
  /**
   * The pattern as it is written in `routes`, such as `'/users/:id'`. `'fetch'` is what `fetch`
   * takes, `'built-in'` what the server answers by itself, such as 404, and `'other'` what has no
   * row of its own.
   */
  route: string;
  /** Answers that have begun. */
  requests: number;
  /** 1xx responses: WebSockets that have been opened. */
  informational: number;
  /** 2xx responses. */
  success: number;
  /** 3xx responses. */
  redirect: number;
  /** 4xx responses. */
  clientError: number;
  /** 5xx responses. */
  serverError: number;
  /** As {@link RequestStats.latency}. Percentiles are exact to a half. */
  latency: LatencyStats;
  /** Nanoseconds of all that `latency` has counted. */
  latencySumNs: number;
}

/** Bytes on the wire. */
export interface ByteStats {
  /** Read from peers. */
  received: number;
  /** Sent to peers. */
  sent: number;
}

/** Requests that went to worker threads. */
export interface TaskStats {
  /** Put into the queue. */
  queued: number;
  /** Run. */
  done: number;
  /** Turned away with 503: the queue, or the room for bodies, was full. */
  rejected: number;
  /** Run for a connection that was gone when the answer came. */
  dropped: number;
  /** Answered with 500 because the handler failed. */
  panics: number;
  /** Waiting now. */
  queueDepth: number;
  /** The most that waited at once. */
  queuePeak: number;
  /** The most that may wait. */
  queueCapacity: number;
  /** From the queue to a worker. */
  queueWait: LatencyStats;
  /** Inside the handler. */
  handlerTime: LatencyStats;
}

/** Requests that went to JavaScript handlers. */
export interface HandlerStats {
  /** Given to a handler, or to the queue before it. */
  given: number;
  /**
   * Given and not yet over. A request whose client has gone, or has had its 503, counts until the
   * JavaScript thread has been told.
   */
  inFlight: number;
  /** Turned away with 503 because `maxInFlight` were at handlers. */
  rejected: number;
  /** Answered with 503 because `requestTimeout` had passed. */
  timedOut: number;
}

/**
 * One JavaScript thread that runs handlers. Its counters begin anew when the thread is replaced.
 */
export interface LaneStats {
  /** `'main'` for the thread that called `serve`, else its number from 1. */
  thread: number | 'main';
  /**
   * `'blocked'` if something has waited for it for more than 100 ms; requests then go to other
   * threads first. `'starting'` if there is no thread yet.
   */
  state: 'running' | 'blocked' | 'starting' | 'stopped';
  /** Requests given to it and not yet answered. */
  inFlight: number;
  /** Those of them that it has not taken yet. */
  queued: number;
  /** From the hand-over of a request to the turn of the thread that takes it. */
  queueWait: LatencyStats;
  /**
   * How late the thread is: from its wake to its turn. A thread that drives the I/O loop itself is
   * not woken.
   */
  eventLoopLag: LatencyStats;
}

/** A distribution of times in nanoseconds, exact to a twentieth. */
export interface LatencyStats {
  /** Values counted. */
  count: number;
  /** Median. */
  p50Ns: number;
  /** 90th percentile. */
  p90Ns: number;
  /** 99th percentile. */
  p99Ns: number;
  /** 99.9th percentile. */
  p999Ns: number;
  /** The largest, exact. */
  maxNs: number;
}

/** One I/O thread. */
export interface IoThreadStats {
  /** Connections open now. */
  connections: number;
  /** Connections ever. */
  accepted: number;
  /** Request heads read. */
  requests: number;
  /** Turns of its loop. */
  turns: number;
  /** Turns that ended in sleep. */
  sleeps: number;
  /** Workers it woke. */
  workerWakes: number;
}

/** One worker thread. */
export interface WorkerThreadStats {
  /** Tasks run. */
  tasks: number;
  /** Handlers that failed. */
  panics: number;
  /** Times it was woken. */
  wakes: number;
  /** Milliseconds inside handlers. */
  busyMs: number;
}
