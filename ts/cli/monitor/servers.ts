import { controlPaths, lookedIn } from '../../server/control.js';
import { reasonOf } from './reason.js';
import { type Snapshot, Source, snapshotOf } from './snapshot.js';

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
    let json: object | null = null;
    let error: string | undefined;
    if (found !== undefined) {
      try {
        json = await snapshotAt(found.source);
      } catch (thrown) {
        const { pid, address: at } = found.choice;
        error = `the server with pid ${pid} on ${at} has ended (${reasonOf(thrown)})`;
        found.source.close();
        this.#known.delete(found.choice.id);
        this.#searchedAt = Number.NEGATIVE_INFINITY;
        found = undefined;
      }
    } else {
      error = this.#missing(address);
    }
    const monitor: About = {
      servers: [...this.#known.values()].map(({ choice }) => choice),
      server: found?.choice.id ?? null,
      ...(error === undefined ? {} : { error }),
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
      // The highest process id is the youngest as a rule.
      const same = all.filter(({ choice }) => choice.address === address);
      return same.sort((a, b) => b.choice.pid - a.choice.pid)[0];
    }
    const named = all.filter(({ choice }) => this.#isNamed(choice));
    return named.sort((a, b) => b.choice.pid - a.choice.pid)[0];
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
    this.#search ??= this.#find().finally(() => {
      this.#search = null;
    });
    if (this.#known.size === 0) {
      await this.#search;
    } else {
      this.#search.catch(() => {});
    }
  }

  async #find(): Promise<void> {
    const which = this.#which;
    const paths = which?.includes('/') ? [which] : (await controlPaths()).slice(0, MOST);
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
    this.#searchedAt = performance.now();
  }
}

/** The snapshot as it came, once it is known to be one. */
async function snapshotAt(source: Source): Promise<object> {
  const text = await source.text();
  const checked: Snapshot = snapshotOf(text);
  // Text of this is shown; the page puts it into the document as text.
  return { ...(JSON.parse(text) as object), address: checked.address, version: checked.version };
}
