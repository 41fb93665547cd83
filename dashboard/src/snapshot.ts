/** What the page reads of a server's snapshot. Older and newer servers may leave parts out. */
export interface Snapshot {
  readonly pid: number;
  readonly version: string;
  readonly address: string;
  /** Milliseconds of a clock that never goes back. */
  readonly atMs: number;
  readonly stats: Stats;
  /** Upper bound in nanoseconds (`null` for the last), and the count. */
  readonly latency: readonly (readonly [number | null, number])[];
  readonly threads: readonly Thread[];
  readonly process: Process | null;
}

export interface Thread {
  readonly name: string;
  readonly runningNs: number;
  readonly waitingNs: number;
}

interface Process {
  readonly cpuMs: number;
  readonly resident: number;
  readonly openFiles: number;
  readonly threads: number;
}

/** Requests of one route and method. */
export interface Route {
  readonly method: string;
  readonly route: string;
  readonly requests: number;
  readonly clientError: number;
  readonly serverError: number;
  readonly latency: Times;
  readonly latencySumNs: number;
}

/** What one JavaScript thread has told of itself. Times are in milliseconds. */
export interface Runtime {
  readonly thread: string;
  readonly ageMs: number;
  readonly heapUsed: number;
  readonly heapLimit: number;
  readonly external: number;
  readonly gc: { readonly count: number; readonly ms: number };
  readonly eventLoop: {
    readonly activeMs: number;
    readonly idleMs: number;
    readonly lag: number;
    readonly p99: number;
    readonly max: number;
  };
}

export interface Times {
  readonly count: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
}

export interface Lane {
  readonly lane: number;
  readonly thread?: number | string;
  readonly state: string;
  readonly inFlight: number;
  readonly queued: number;
  readonly queueWait: Times;
  readonly eventLoopLag: Times;
}

interface Certificate {
  readonly subject: string;
  readonly expires: number;
}

export interface Stats {
  readonly uptimeMs: number;
  readonly ready?: boolean;
  readonly stopping?: boolean;
  readonly routes?: readonly Route[];
  readonly node?: readonly Runtime[];
  readonly connections: {
    readonly open: number;
    readonly accepted: number;
    readonly refused: number;
    readonly acceptPauses: number;
    readonly closed: Readonly<Record<string, number>>;
  };
  readonly requests: {
    readonly total: number;
    readonly informational: number;
    readonly success: number;
    readonly redirect: number;
    readonly clientError: number;
    readonly serverError: number;
    readonly latency: Times;
  };
  readonly bytes: { readonly received: number; readonly sent: number };
  readonly handlers: { readonly inFlight: number };
  readonly tasks: { readonly queueDepth: number; readonly rejected: number };
  readonly ioThreads: readonly { readonly requests: number; readonly connections: number }[];
  readonly workerThreads: readonly { readonly tasks: number }[];
  readonly lanes: readonly Lane[];
  readonly tls: {
    readonly full: number;
    readonly resumed: number;
    readonly failed: Readonly<Record<string, number>>;
    readonly certificates: readonly Certificate[];
  };
  readonly webSockets: { readonly opened: number; readonly open: number };
  readonly http2: { readonly connections: number; readonly requests: number };
  readonly accessLog: { readonly written: number; readonly lost: number } | null;
}

/** Another server that the page could show. */
export interface Choice {
  readonly id: string;
  readonly pid: number;
  readonly address: string;
}

/** What `reactor-rs monitor --web` says beside the snapshot. */
export interface Monitor {
  readonly servers: readonly Choice[];
  /** The one that was asked, or that has taken its place. */
  readonly server: string | null;
  /** Why there is no snapshot. */
  readonly error?: string;
}

export interface Answer {
  readonly snapshot: Snapshot | null;
  readonly monitor: Monitor | null;
}

/** @throws where it is no answer of a server, or lacks what every server tells */
export function answerOf(json: unknown): Answer {
  const { monitor = null, ...rest } = json as { monitor?: Monitor } & Snapshot;
  if (rest.stats === undefined && monitor !== null) {
    return { snapshot: null, monitor };
  }
  const { stats, latency, threads } = rest;
  if (
    typeof rest.pid !== 'number' ||
    typeof rest.atMs !== 'number' ||
    typeof stats?.requests?.latency !== 'object' ||
    typeof stats.connections?.closed !== 'object' ||
    !Array.isArray(latency) ||
    !Array.isArray(threads) ||
    !Array.isArray(stats.lanes)
  ) {
    throw new Error('the answer is no snapshot of a server');
  }
  return { snapshot: rest, monitor };
}
