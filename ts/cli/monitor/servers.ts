import { controlPaths, lookedIn } from '../../server/control.js';
import { reasonOf } from './reason.js';
import { isPath, type Snapshot, Source, snapshotOf } from './snapshot.js';

/** One server of this user. */
export interface Choice {
  /** The path of its control socket. */
  readonly id: string;
  readonly pid: number;
  readonly address: string;
}

/** What the page is told beside the snapshot. */
export interface About {
  readonly servers: readonly Choice[];
  /** The server that was asked, or that has taken its place. */
  readonly server: string | null;
  /** Why there is no snapshot. */
  readonly error?: string;
}

/** A snapshot, with more than the monitor in the terminal reads. */
interface Asked {
  readonly address?: string;
  readonly version?: string;
  readonly stats?: { readonly stopping?: unknown };
}

interface Known {
  readonly source: Source;
  readonly choice: Choice;
}

/** The folders are searched for new servers so often. */
const SEARCH_MS = 1000;

/** More servers of one user are not shown. */
const MOST = 256;

/** The servers that a page may show, and their snapshots. */
export class Servers {
  /** What the command line names: a process id, a port or a path. */
  readonly #which: string | undefined;
  #known = new Map<string, Known>();
  #searchedAt = Number.NEGATIVE_INFINITY;
  #search: Promise<void> | null = null;

  constructor(which: string | undefined) {
    this.#which = which;
  }

  /**
   * The snapshot of a server, with what the page is told beside it. A server that has gone is
   * replaced by a younger one at the same address.
   */
  async ask(id: string | null, address: string | null): Promise<object> {
    await this.#look();
    let found = this.#pick(id, address);
    let json: Asked | null = null;
    let error = this.#missing(address);
    // The second time for the server that has taken the place of the first.
    for (let tries = 0; tries < 2 && found !== undefined && json === null; tries++) {
      const { choice, source } = found;
      try {
        json = await snapshotAt(source);
        const younger = json.stats?.stopping === true ? this.#youngest(choice.address) : undefined;
        if (younger !== undefined && younger !== found) {
          found = younger;
          json = null;
        }
      } catch (thrown) {
        error = `the server with pid ${choice.pid} on ${choice.address} has ended (${reasonOf(thrown)})`;
        source.close();
        this.#known.delete(choice.id);
        await this.#search;
        await this.#searchOnce();
        found = this.#youngest(choice.address);
      }
    }
    if (json === null) {
      found = undefined;
    }
    const monitor: About = {
      servers: [...this.#known.values()].map(({ choice }) => choice),
      server: found?.choice.id ?? null,
      ...(json === null ? { error } : {}),
    };
    return { ...json, monitor };
  }

  close(): void {
    for (const { source } of this.#known.values()) {
      source.close();
    }
    this.#known.clear();
  }

  #pick(id: string | null, address: string | null): Known | undefined {
    const all = [...this.#known.values()];
    const exact = id === null ? undefined : this.#known.get(id);
    if (exact !== undefined) {
      return exact;
    }
    if (address !== null) {
      return this.#youngest(address);
    }
    return youngest(all.filter(({ choice }) => this.#isNamed(choice)));
  }

  #youngest(address: string): Known | undefined {
    return youngest([...this.#known.values()].filter(({ choice }) => choice.address === address));
  }

  #isNamed({ id, pid, address }: Choice): boolean {
    const which = this.#which;
    return (
      which === undefined || id === which || `${pid}` === which || address.endsWith(`:${which}`)
    );
  }

  #missing(address: string | null): string {
    if (address !== null) {
      return `no server of yours is on ${address}`;
    }
    return this.#which === undefined
      ? `no server of yours is running with a control socket (looked in ${lookedIn()})`
      : `no server of yours has the process id, the port or the control socket ${this.#which}`;
  }

  /**
   * Finds servers that have come, and forgets those that have gone; one search at a time. It is
   * waited for only where no server is known: one that hangs must not keep back the others.
   */
  async #look(): Promise<void> {
    if (performance.now() - this.#searchedAt < SEARCH_MS) {
      return;
    }
    const search = this.#searchOnce();
    if (this.#known.size === 0) {
      await search;
    }
  }

  #searchOnce(): Promise<void> {
    this.#search ??= this.#find()
      // A folder that cannot be read is searched again a second later.
      .catch(() => {})
      .finally(() => {
        this.#search = null;
        this.#searchedAt = performance.now();
      });
    return this.#search;
  }

  async #find(): Promise<void> {
    const which = this.#which;
    const paths =
      which !== undefined && isPath(which) ? [which] : (await controlPaths()).slice(0, MOST);
    for (const [path, { source }] of this.#known) {
      if (!paths.includes(path)) {
        source.close();
        this.#known.delete(path);
      }
    }
    await Promise.all(
      paths.map(async (path) => {
        if (this.#known.has(path)) {
          return;
        }
        const source = new Source(path);
        try {
          const { pid, address } = await source.snapshot();
          this.#known.set(path, { source, choice: { id: path, pid, address } });
        } catch {
          source.close();
        }
      }),
    );
  }
}

/** The highest process id is the youngest as a rule. */
function youngest(servers: Known[]): Known | undefined {
  return servers.sort((a, b) => b.choice.pid - a.choice.pid)[0];
}

/** The snapshot as it came, once it is known to be one. */
async function snapshotAt(source: Source): Promise<Asked> {
  const text = await source.text();
  const checked: Snapshot = snapshotOf(text);
  // Text of this is shown; the page puts it into the document as text.
  return { ...(JSON.parse(text) as Asked), address: checked.address, version: checked.version };
}
