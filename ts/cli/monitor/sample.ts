import type { Snapshot } from './snapshot.js';

/** What happened between two snapshots. Rates are per second. */
export interface Sample {
  readonly pid: number;
  readonly version: string;
  readonly address: string;
  readonly uptimeMs: number;
  readonly intervalMs: number;
  readonly requests: Rates;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly connections: {
    readonly open: number;
    readonly accepted: number;
    readonly refused: number;
  };
  /** `null` if no listener has TLS. */
  readonly tls: {
    /** Handshakes with a new session, and with one of an earlier connection. */
    readonly full: number;
    readonly resumed: number;
    readonly failed: number;
    /** Until the first certificate expires. */
    readonly expiresInDays: number;
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
  /** In microseconds, of the requests that ended between the snapshots. */
  readonly latency: Latency;
  readonly queue: {
    readonly depth: number;
    readonly capacity: number;
    /** Answered with 503. */
    readonly rejected: number;
  };
  readonly threads: readonly ThreadSample[];
  /** The busiest first. */
  readonly routes: readonly RouteSample[];
  readonly lanes: Snapshot['lanes'];
  readonly process: {
    /** In processors: 1 is one. */
    readonly cpu: number;
    readonly residentBytes: number;
    readonly openFiles: number;
    readonly threads: number;
  } | null;
  readonly log: { readonly written: number; readonly lost: number } | null;
}

export interface Rates {
  readonly total: number;
  readonly success: number;
  readonly redirect: number;
  readonly clientError: number;
  readonly serverError: number;
}

export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface ThreadSample {
  readonly name: string;
  /** The share of time that it ran or was ready to run. */
  readonly busy: number;
  /** `null` unless it is an I/O thread. */
  readonly requests: number | null;
  /** `null` unless it is an I/O thread. */
  readonly connections: number | null;
}

export interface RouteSample {
  readonly method: string;
  readonly route: string;
  readonly requests: number;
  readonly clientError: number;
  readonly serverError: number;
  /** In microseconds, of the requests that ended between the snapshots; `null` if there was none. */
  readonly meanUs: number | null;
  /** In microseconds, since the server counts latencies; `null` if there was no request. */
  readonly p99Us: number | null;
}

/** Compares two snapshots of one server. */
export function compare(before: Snapshot, after: Snapshot): Sample {
  const intervalMs = Math.max(after.atMs - before.atMs, 1);
  const rate = (pick: (snapshot: Snapshot) => number) =>
    (Math.max(pick(after) - pick(before), 0) * 1000) / intervalMs;
  const { stats } = after;
  return {
    pid: after.pid,
    version: after.version,
    address: after.address,
    uptimeMs: stats.uptimeMs,
    intervalMs,
    requests: {
      total: rate(
        ({ stats: { requests: r } }) => r.success + r.redirect + r.clientError + r.serverError,
      ),
      success: rate((s) => s.stats.requests.success),
      redirect: rate((s) => s.stats.requests.redirect),
      clientError: rate((s) => s.stats.requests.clientError),
      serverError: rate((s) => s.stats.requests.serverError),
    },
    receivedBytes: rate((s) => s.stats.bytes.received),
    sentBytes: rate((s) => s.stats.bytes.sent),
    connections: {
      open: stats.connections.open,
      accepted: rate((s) => s.stats.connections.accepted),
      refused: rate((s) => s.stats.connections.refused),
    },
    tls: stats.tls && {
      full: rate((s) => s.stats.tls?.full ?? 0),
      resumed: rate((s) => s.stats.tls?.resumed ?? 0),
      failed: rate((s) => s.stats.tls?.failed ?? 0),
      expiresInDays: (stats.tls.expires - Date.now() / 1000) / 86_400,
    },
    webSockets: stats.webSockets && {
      open: stats.webSockets.open,
      received: rate((s) => s.stats.webSockets?.received ?? 0),
      sent: rate((s) => s.stats.webSockets?.sent ?? 0),
      dropped: rate((s) => s.stats.webSockets?.dropped ?? 0),
    },
    http2: stats.http2 && {
      connections: stats.http2.connections,
      streams: stats.http2.streams,
      requests: rate((s) => s.stats.http2?.requests ?? 0),
      resets: rate((s) => s.stats.http2?.resets ?? 0),
      refused: rate((s) => s.stats.http2?.refused ?? 0),
      goaways: rate((s) => s.stats.http2?.goaways ?? 0),
    },
    latency: latencyOf(before, after),
    queue: {
      depth: stats.tasks.queueDepth,
      capacity: stats.tasks.queueCapacity,
      rejected: rate((s) => s.stats.tasks.rejected),
    },
    threads: after.threads.map((thread) => threadOf(thread, before, after, intervalMs)),
    routes: routesOf(before, after, intervalMs),
    lanes: after.lanes,
    process: after.process && {
      cpu: rate((s) => s.process?.cpuMs ?? 0) / 1000,
      residentBytes: after.process.resident,
      openFiles: after.process.openFiles,
      threads: after.process.threads,
    },
    log: stats.accessLog && {
      written: rate((s) => s.stats.accessLog?.written ?? 0),
      lost: rate((s) => s.stats.accessLog?.lost ?? 0),
    },
  };
}

function threadOf(
  thread: Snapshot['threads'][number],
  before: Snapshot,
  after: Snapshot,
  intervalMs: number,
): ThreadSample {
  const { name } = thread;
  const earlier = before.threads.find((other) => other.name === name);
  const busyNs = (of: typeof thread) => of.runningNs + of.waitingNs;
  const busy =
    (busyNs(thread) - (earlier === undefined ? 0 : busyNs(earlier))) / (intervalMs * 1e6);
  const index = /^rx-io-(\d+)$/.exec(name)?.[1];
  const io = index === undefined ? undefined : after.stats.ioThreads[Number(index)];
  const ioBefore = index === undefined ? undefined : before.stats.ioThreads[Number(index)];
  return {
    name,
    busy: Math.min(Math.max(busy, 0), 1),
    requests: io ? ((io.requests - (ioBefore?.requests ?? 0)) * 1000) / intervalMs : null,
    connections: io ? io.connections : null,
  };
}

function routesOf(before: Snapshot, after: Snapshot, intervalMs: number): RouteSample[] {
  type Route = NonNullable<Snapshot['stats']['routes']>[number];
  const keyOf = ({ method, route }: Route) => `${method} ${route}`;
  const earlier = new Map((before.stats.routes ?? []).map((route) => [keyOf(route), route]));
  const rows = (after.stats.routes ?? []).map((route) => {
    const was = earlier.get(keyOf(route));
    const since = (pick: (route: Route) => number) =>
      Math.max(pick(route) - (was === undefined ? 0 : pick(was)), 0);
    const rate = (pick: (route: Route) => number) => (since(pick) * 1000) / intervalMs;
    const ended = since(({ count }) => count);
    const sample: RouteSample = {
      method: route.method,
      route: route.route,
      requests: rate(({ requests }) => requests),
      clientError: rate(({ clientError }) => clientError),
      serverError: rate(({ serverError }) => serverError),
      meanUs: ended === 0 ? null : since(({ sumNs }) => sumNs) / ended / 1000,
      p99Us: route.count === 0 ? null : route.p99Ns / 1000,
    };
    return { sample, total: route.requests };
  });
  rows.sort((a, b) => b.sample.requests - a.sample.requests || b.total - a.total);
  return rows.map(({ sample }) => sample);
}

/**
 * Quantiles of the requests between two snapshots. Each is an upper bound, exact to a twentieth.
 */
function latencyOf(before: Snapshot, after: Snapshot): Latency {
  const earlier = new Map(before.latency);
  const maxNs = after.stats.requests.latency.maxNs;
  const buckets = after.latency
    .map(([bound, count]) => ({
      us: Math.min(bound ?? maxNs, maxNs) / 1000,
      count: count - (earlier.get(bound) ?? 0),
    }))
    .filter(({ count }) => count > 0);
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const quantile = (share: number) => {
    let seen = 0;
    for (const { us, count } of buckets) {
      seen += count;
      if (seen >= total * share) {
        return us;
      }
    }
    return 0;
  };
  return {
    count: total,
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    max: quantile(1),
  };
}
