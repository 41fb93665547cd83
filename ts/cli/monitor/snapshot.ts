import { Agent, request } from 'node:http';
import type { LaneStats, Stats } from '../../types.js';

/** What a control socket tells: everything that is counted, at one moment. */
export interface Snapshot {
  readonly pid: number;
  readonly version: string;
  /** `host:port`, or the path of a unix socket. */
  readonly address: string;
  /** Monotonic. */
  readonly atMs: number;
  readonly stats: Stats;
  /** Upper bound in nanoseconds, `null` for the last, and count of each bucket. */
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

/** A server that does not answer within this is taken for gone. */
const PATIENCE_MS = 5_000;

/** One server's control socket. */
export class Source {
  readonly path: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(path: string) {
    this.path = path;
  }

  /** Rejects if the server is gone. */
  snapshot(): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.path, path: '/', agent: this.#agent };
      const req = request(options, (res) => {
        let body = '';
        res.setEncoding('utf8');
        res.on('data', (text: string) => {
          body += text;
        });
        res.on('error', reject);
        res.on('end', () => {
          if (res.statusCode !== 200) {
            reject(new Error(`the control socket answered ${res.statusCode}`));
            return;
          }
          try {
            resolve(asSnapshot(JSON.parse(body)));
          } catch (error) {
            reject(error);
          }
        });
      });
      req.setTimeout(PATIENCE_MS, () => req.destroy(new Error('no answer')));
      req.on('error', reject);
      req.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Any program may listen on a socket that is named to the monitor. */
function asSnapshot(answer: unknown): Snapshot {
  const { pid, version, address, stats } = (answer ?? {}) as Partial<Snapshot>;
  if (
    typeof pid !== 'number' ||
    typeof version !== 'string' ||
    typeof address !== 'string' ||
    typeof stats !== 'object'
  ) {
    throw new Error('what answers is no control socket');
  }
  return answer as Snapshot;
}
