import type { Snapshot } from './snapshot.js';

/** How many seconds are kept. */
export const SLOTS = 600;

/** Rows of the heat map in each decade, from 1 µs to 1,000 s. */
export const PER_DECADE = 8;
export const FIRST_DECADE = 3;
export const ROWS = PER_DECADE * 9;

/** No server has so many threads; one that says so is not kept. */
const MOST_SERIES = 256;

/** Further apart, two snapshots say nothing of the seconds between them. */
const LONGEST_SPAN_MS = 150_000;

/** Something that happened at a second. */
export interface Mark {
  readonly slot: number;
  readonly text: string;
}

/**
 * The last ten minutes, a value each second: rates between two snapshots, and what was so at the
 * moment. A slot is a second since 1970.
 */
export class History {
  /** The first and the last second with a value. */
  first = 0;
  last = 0;
  marks: Mark[] = [];
  readonly #series = new Map<string, Float32Array>();
  readonly #slots = new Float64Array(SLOTS).fill(-1);
  readonly #heat = new Float32Array(SLOTS * ROWS);
  #before: Snapshot | null = null;
  #at = 0;
  #isBroken = false;

  /** The value of a second; NaN where there is none. */
  get(name: string, slot: number): number {
    const at = slot % SLOTS;
    return this.#slots[at] === slot ? (this.#series.get(name)?.[at] ?? Number.NaN) : Number.NaN;
  }

  has(slot: number): boolean {
    return this.#slots[slot % SLOTS] === slot;
  }

  /** Requests by latency, the fastest row first; `null` where there is none. */
  heat(slot: number): Float32Array | null {
    const at = slot % SLOTS;
    return this.#slots[at] === slot ? this.#heat.subarray(at * ROWS, (at + 1) * ROWS) : null;
  }

  /** A poll had no answer: what came meanwhile is not known by the second. */
  broken(): void {
    this.#isBroken = true;
  }

  /** Forgets all: another server is shown. */
  clear(): void {
    this.#slots.fill(-1);
    this.#series.clear();
    this.marks = [];
    this.first = 0;
    this.last = 0;
    this.#before = null;
  }

  /** Takes in a snapshot that came at this time. */
  add(after: Snapshot, at: number): void {
    if (at < (this.last - 5) * 1000) {
      // Somebody has set the clock back.
      this.clear();
    }
    const before = this.#before;
    const since = this.#at;
    const isBroken = this.#isBroken;
    this.#before = after;
    this.#at = at;
    this.#isBroken = false;
    const slot = Math.floor(at / 1000);
    if (before === null) {
      return;
    }
    if (before.pid !== after.pid || after.atMs < before.atMs) {
      // A successor that took the sockets over has left no question without an answer.
      const what = isBroken || before.pid === after.pid ? 'restart' : 'successor';
      this.marks = [...this.marks.slice(-9), { slot, text: `${what} · pid ${after.pid}` }];
      return;
    }
    const seconds = (after.atMs - before.atMs) / 1000;
    if (seconds <= 0 || isBroken || at - since > LONGEST_SPAN_MS) {
      return;
    }
    // Whole seconds since the last value; timers are late now and then, in hidden pages by a minute.
    const first = this.last > 0 ? Math.max(this.last + 1, slot - SLOTS + 1) : slot;
    const from = first > slot ? slot : Math.max(first, Math.floor(since / 1000));
    const isMore = first > slot;
    const values = valuesOf(before, after, seconds);
    const heat = heatOf(before, after);
    for (let each = from; each <= slot; each++) {
      this.#write(each, values, heat, slot - from + 1, isMore);
    }
    this.first ||= from;
    this.last = slot;
  }

  #write(
    slot: number,
    values: ReadonlyMap<string, number>,
    heat: ReadonlyMap<number, number>,
    share: number,
    isMore: boolean,
  ): void {
    const at = slot % SLOTS;
    const row = at * ROWS;
    if (!isMore) {
      this.#slots[at] = slot;
      this.#heat.fill(0, row, row + ROWS);
      for (const series of this.#series.values()) {
        series[at] = Number.NaN;
      }
    }
    for (const [name, value] of values) {
      this.#of(name)[at] = value;
    }
    for (const [index, count] of heat) {
      this.#heat[row + index] = (this.#heat[row + index] as number) + count / share;
    }
  }

  #of(name: string): Float32Array {
    let series = this.#series.get(name);
    if (series === undefined) {
      series = new Float32Array(SLOTS).fill(Number.NaN);
      if (this.#series.size < MOST_SERIES) {
        this.#series.set(name, series);
      }
    }
    return series;
  }
}

function valuesOf(before: Snapshot, after: Snapshot, seconds: number): Map<string, number> {
  const values = new Map<string, number>();
  const { stats } = after;
  const old = before.stats;
  const rate = (name: string, now: number, then: number) =>
    values.set(name, Math.max(now - then, 0) / seconds);
  for (const name of ['success', 'redirect', 'clientError', 'serverError'] as const) {
    rate(name, stats.requests[name], old.requests[name]);
  }
  const answered = (of: typeof stats) =>
    of.requests.success + of.requests.redirect + of.requests.clientError + of.requests.serverError;
  rate('answered', answered(stats), answered(old));
  rate('received', stats.bytes.received, old.bytes.received);
  rate('sent', stats.bytes.sent, old.bytes.sent);
  rate('accepted', stats.connections.accepted, old.connections.accepted);
  rate('refused', stats.connections.refused, old.connections.refused);
  values.set('open', stats.connections.open);
  const sum = (of: Readonly<Record<string, number>>) =>
    Object.values(of).reduce((all, one) => all + one, 0);
  rate('closed', sum(stats.connections.closed), sum(old.connections.closed));
  values.set('inFlight', stats.handlers.inFlight);
  values.set(
    'queued',
    stats.lanes.reduce((all, lane) => all + lane.queued, 0),
  );
  values.set('tasks', stats.tasks.queueDepth);
  if (after.process !== null && before.process !== null) {
    rate('cpu', after.process.cpuMs / 1000, before.process.cpuMs / 1000);
    values.set('resident', after.process.resident);
  }
  const { node = [] } = stats;
  if (node.length > 0) {
    values.set(
      'heap',
      node.reduce((all, one) => all + one.heapUsed, 0),
    );
  }
  const earlier = new Map(before.threads.map((thread) => [thread.name, thread]));
  for (const { name, runningNs, waitingNs } of after.threads.slice(0, MOST_SERIES / 2)) {
    const then = earlier.get(name);
    const busy = runningNs + waitingNs - (then ? then.runningNs + then.waitingNs : 0);
    values.set(`thread ${name}`, Math.min(Math.max(busy / (seconds * 1e9), 0), 1));
  }
  for (const [name, value] of quantiles(before, after)) {
    values.set(name, value);
  }
  return values;
}

/** How many requests ended between the snapshots, by the bounds of their bucket. */
function* ended(before: Snapshot, after: Snapshot): Generator<[bound: number, count: number]> {
  const earlier = new Map(before.latency);
  const most = after.stats.requests.latency.maxNs;
  for (const [bound, count] of after.latency) {
    const more = count - (earlier.get(bound) ?? 0);
    if (more > 0) {
      yield [bound ?? most, more];
    }
  }
}

/** As the monitor in the terminal has them: upper bounds, exact to a twentieth. */
function quantiles(before: Snapshot, after: Snapshot): [string, number][] {
  const buckets = [...ended(before, after)];
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const most = after.stats.requests.latency.maxNs;
  if (total === 0) {
    return [];
  }
  const shares: [string, number][] = [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
    ['max', 1],
  ];
  return shares.map(([name, share]) => {
    let seen = 0;
    for (const [bound, count] of buckets) {
      seen += count;
      if (seen >= total * share) {
        return [name, Math.min(bound, most)];
      }
    }
    return [name, most];
  });
}

function heatOf(before: Snapshot, after: Snapshot): Map<number, number> {
  const rows = new Map<number, number>();
  for (const [bound, count] of ended(before, after)) {
    // Buckets are 5 % wide where a decade begins; their middle is at most half of that below.
    const row = rowOf(bound * 0.985);
    rows.set(row, (rows.get(row) ?? 0) + count);
  }
  return rows;
}

/** The row of a latency in nanoseconds. */
export function rowOf(ns: number): number {
  const row = Math.floor((Math.log10(Math.max(ns, 1)) - FIRST_DECADE) * PER_DECADE);
  return Math.min(Math.max(row, 0), ROWS - 1);
}

/** Where a row begins, in nanoseconds. */
export function rowBegin(row: number): number {
  return 10 ** (FIRST_DECADE + row / PER_DECADE);
}
