import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import type { LaneStats } from '../../types/stats.js';
import { AnswerError, Reader } from './reader.js';

/** All counters of a server at one moment, as its control socket sends them. */
export interface Snapshot {
  readonly pid: number;
  readonly version: string;
  /** `host:port`, or the path of a unix socket. */
  readonly address: string;
  /** On a monotonic clock. */
  readonly atMs: number;
  readonly stats: SnapshotStats;
  /** For each bucket its upper bound in nanoseconds (`null` for the last) and its count. */
  readonly latency: readonly (readonly [number | null, number])[];
  readonly threads: readonly {
    readonly name: string;
    readonly runningNs: number;
    readonly waitingNs: number;
  }[];
  readonly lanes: readonly {
    readonly index: number;
    readonly queued: number;
    readonly inFlight: number;
    readonly state: LaneStats['state'];
  }[];
  readonly process: {
    readonly cpuMs: number;
    readonly resident: number;
    readonly openFiles: number;
    readonly threads: number;
  } | null;
}

/** The part of `server.stats()` that the monitor shows. */
export interface SnapshotStats {
  readonly uptimeMs: number;
  readonly connections: {
    readonly open: number;
    readonly accepted: number;
    readonly refused: number;
  };
  /** `null` if no listener has TLS. */
  readonly tls: {
    readonly full: number;
    readonly resumed: number;
    /** Handshakes that failed, or took too long. */
    readonly failed: number;
    /** When the first certificate expires, in seconds since 1970. */
    readonly expires: number;
  } | null;
  /** `null` if there has been none. */
  readonly webSockets: {
    readonly open: number;
    readonly received: number;
    readonly sent: number;
    readonly dropped: number;
  } | null;
  /** `null` if there has been none. */
  readonly http2: {
    readonly connections: number;
    readonly streams: number;
    readonly requests: number;
    readonly resets: number;
    readonly refused: number;
    readonly goaways: number;
  } | null;
  readonly requests: {
    readonly success: number;
    readonly redirect: number;
    readonly clientError: number;
    readonly serverError: number;
    readonly latency: { readonly maxNs: number };
  };
  readonly bytes: { readonly received: number; readonly sent: number };
  readonly tasks: {
    readonly queueDepth: number;
    readonly queueCapacity: number;
    readonly rejected: number;
  };
  /** An older server tells of none. */
  readonly routes?: readonly {
    readonly method: string;
    readonly route: string;
    readonly requests: number;
    readonly clientError: number;
    readonly serverError: number;
    /** Of the latencies that were counted. */
    readonly count: number;
    readonly sumNs: number;
    readonly p99Ns: number;
  }[];
  readonly ioThreads: readonly { readonly requests: number; readonly connections: number }[];
  readonly accessLog: { readonly written: number; readonly lost: number } | null;
}

/** A server that has not answered in full within this time counts as gone. */
const ANSWER_MS = 5_000;

/**
 * The longest answer that is read. With 16 I/O threads, 32 workers and 64 JavaScript threads it has
 * about 100 KiB.
 */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;

/** More than any server has threads, lanes or buckets. */
const MAX_ENTRIES = 4096;

/** Whether what the command line names is the path of a control socket, and no number of a server. */
export function isPath(which: string): boolean {
  return which.includes('/') || (!/^\d{1,10}$/.test(which) && existsSync(which));
}

/** One server's control socket. */
export class Source {
  readonly path: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(path: string) {
    this.path = path;
  }

  /** Rejects if the server is gone, or if it is no control socket. */
  async snapshot(): Promise<Snapshot> {
    return snapshotOf(await this.text());
  }

  /** The answer as it came, unchecked. Rejects if the server is gone. */
  text(): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.path, path: '/', agent: this.#agent };
      const req = request(options, (res) => {
        const chunks: Buffer[] = [];
        let length = 0;
        res.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > MAX_ANSWER_BYTES) {
            req.destroy(new AnswerError(`its answer has more than ${MAX_ANSWER_BYTES} bytes`));
            return;
          }
          chunks.push(chunk);
        });
        res.on('error', reject);
        res.on('end', () => {
          if (res.statusCode === 200) {
            resolve(Buffer.concat(chunks).toString());
          } else {
            reject(new AnswerError(`it answered ${res.statusCode}`));
          }
        });
        // An answer that is broken off, by either side, has no 'end'.
        res.on('close', () => reject(req.errored ?? new Error('its answer was broken off')));
      });
      // For the whole answer: single bytes now and then must not keep the monitor waiting.
      const deadline = setTimeout(
        () => req.destroy(new AnswerError(`no whole answer within ${ANSWER_MS / 1000} s`)),
        ANSWER_MS,
      );
      req.on('close', () => clearTimeout(deadline));
      req.on('error', reject);
      req.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Reads an answer. Any program may listen on the socket, so each value is checked. */
export function snapshotOf(text: string): Snapshot {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which is untrusted.
    throw new AnswerError('its answer is no JSON');
  }
  const all = new Reader(answer, MAX_ENTRIES);
  return {
    pid: all.number('pid'),
    version: all.text('version'),
    address: all.text('address'),
    atMs: all.number('atMs'),
    stats: statsOf(all.object('stats')),
    latency: all.list('latency', (bucket) => [
      bucket.numberOrNull('0'),
      bucket.number('1'),
    ]) as Snapshot['latency'],
    threads: all.list('threads', (thread) => ({
      name: thread.text('name'),
      runningNs: thread.number('runningNs'),
      waitingNs: thread.number('waitingNs'),
    })),
    lanes: all.list('lanes', (lane) => ({
      index: lane.number('index'),
      queued: lane.number('queued'),
      inFlight: lane.number('inFlight'),
      state: lane.oneOf('state', ['running', 'blocked', 'starting', 'stopped']),
    })),
    process: all.objectOrNull('process', (usage) => ({
      cpuMs: usage.number('cpuMs'),
      resident: usage.number('resident'),
      openFiles: usage.number('openFiles'),
      threads: usage.number('threads'),
    })),
  };
}

function statsOf(stats: Reader): SnapshotStats {
  const connections = stats.object('connections');
  const requests = stats.object('requests');
  const bytes = stats.object('bytes');
  const tasks = stats.object('tasks');
  return {
    uptimeMs: stats.number('uptimeMs'),
    connections: {
      open: connections.number('open'),
      accepted: connections.number('accepted'),
      refused: connections.number('refused'),
    },
    tls: stats.objectOrNull('tls', (tls) => {
      const dates = tls.list('certificates', (one) => one.number('expires'));
      return dates.length === 0
        ? null
        : {
            full: tls.number('full'),
            resumed: tls.number('resumed'),
            failed: connections.object('closed').number('handshake'),
            expires: Math.min(...dates),
          };
    }),
    webSockets: stats.objectOrNull('webSockets', (sockets) =>
      sockets.number('opened') === 0
        ? null
        : {
            open: sockets.number('open'),
            received: sockets.number('received'),
            sent: sockets.number('sent'),
            dropped: sockets.number('dropped'),
          },
    ),
    http2: stats.objectOrNull('http2', (http2) =>
      http2.number('connections') + http2.number('requests') === 0
        ? null
        : {
            connections: http2.number('connections'),
            streams: http2.number('streams'),
            requests: http2.number('requests'),
            resets: http2.number('resetsReceived') + http2.number('resetsSent'),
            refused: http2.number('refused'),
            goaways: http2.number('goaways'),
          },
    ),
    requests: {
      success: requests.number('success'),
      redirect: requests.number('redirect'),
      clientError: requests.number('clientError'),
      serverError: requests.number('serverError'),
      latency: { maxNs: requests.object('latency').number('maxNs') },
    },
    bytes: { received: bytes.number('received'), sent: bytes.number('sent') },
    tasks: {
      queueDepth: tasks.number('queueDepth'),
      queueCapacity: tasks.number('queueCapacity'),
      rejected: tasks.number('rejected'),
    },
    routes: stats.listOrNone('routes', (route) => {
      const latency = route.object('latency');
      return {
        method: route.text('method'),
        route: route.text('route'),
        requests: route.number('requests'),
        clientError: route.number('clientError'),
        serverError: route.number('serverError'),
        count: latency.number('count'),
        sumNs: route.number('latencySumNs'),
        p99Ns: latency.number('p99Ns'),
      };
    }),
    ioThreads: stats.list('ioThreads', (thread) => ({
      requests: thread.number('requests'),
      connections: thread.number('connections'),
    })),
    accessLog: stats.objectOrNull('accessLog', (log) => ({
      written: log.number('written'),
      lost: log.number('lost'),
    })),
  };
}
