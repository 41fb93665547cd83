import { setTimeout as sleep } from 'node:timers/promises';
import { controlPaths, lookedIn } from '../../server/control.js';
import { fail, hasColours } from '../output.js';
import { AnswerError } from './reader.js';
import { reasonOf } from './reason.js';
import { compare, type Sample } from './sample.js';
import { isPath, type Snapshot, Source } from './snapshot.js';
import { SORTS } from './tables.js';
import { Terminal } from './terminal.js';
import { render, type View } from './view.js';

/** The flags about the output of `monitor`. */
export interface MonitorFlags {
  /** Prints one line of JSON for each sample. */
  json?: boolean;
  /** Takes only one sample. */
  once?: boolean;
  /** Seconds between two samples. */
  interval: string;
  /** Shows a page to browsers; with where it listens, or `true`. */
  web?: string | true;
}

const FAILED = 1;
const USAGE_ERROR = 2;

/** How many samples are kept for the sparkline. */
const HISTORY = 200;

/** Monitors a running server; resolves to the exit code. */
export async function monitorCommand(
  which: string | undefined,
  flags: MonitorFlags,
): Promise<number> {
  if (flags.web !== undefined) {
    return web(which, flags);
  }
  const seconds = Number(flags.interval);
  if (!/^\d{1,4}(\.\d{1,3})?$/.test(flags.interval) || seconds < 0.1 || seconds > 3600) {
    return fail(USAGE_ERROR, `--interval must be from 0.1 to 3600, got "${flags.interval}"`);
  }
  if (!flags.json && !flags.once && !process.stdout.isTTY) {
    return fail(USAGE_ERROR, 'monitor needs a terminal; use --json or --once');
  }
  const found = await choose(which);
  if (typeof found === 'string') {
    return fail(FAILED, found);
  }
  const { source, snapshot } = found;
  try {
    if (flags.once || flags.json) {
      await print(source, snapshot, seconds * 1000, flags);
    } else {
      await show(source, snapshot, seconds * 1000);
    }
    return 0;
  } catch (error) {
    const reason = reasonOf(error);
    const what = error instanceof AnswerError ? 'is no longer understood' : 'has ended';
    return fail(FAILED, `the server with pid ${snapshot.pid} ${what} (${reason})`);
  } finally {
    source.close();
  }
}

async function web(which: string | undefined, flags: MonitorFlags): Promise<number> {
  const { web: where, once, interval, json = false } = flags;
  if (where === undefined || once || interval !== '1') {
    return fail(USAGE_ERROR, `--web and ${once ? '--once' : '--interval'} do not go together`);
  }
  if (which !== undefined && !isPath(which) && !/^\d{1,10}$/.test(which)) {
    return fail(FAILED, `"${which}" is no process id, port or path of a control socket`);
  }
  return (await import('./web.js')).webCommand(which, { web: where, json });
}

interface Found {
  readonly source: Source;
  readonly snapshot: Snapshot;
}

/** The server to monitor, or why there is none. */
async function choose(which: string | undefined): Promise<Found | string> {
  if (which !== undefined && isPath(which)) {
    const found = await look(which);
    return found instanceof Error
      ? `no server answers on the control socket "${which}": ${reasonOf(found)}`
      : found;
  }
  if (which !== undefined && !/^\d{1,10}$/.test(which)) {
    return `"${which}" is no process id, port or path of a control socket`;
  }
  const all = (await Promise.all((await controlPaths()).map(look))).filter(
    (one): one is Found => !(one instanceof Error),
  );
  const matching = which === undefined ? all : all.filter((one) => isMeant(one, Number(which)));
  const [only] = matching;
  for (const other of all) {
    if (matching.length !== 1 || other !== only) {
      other.source.close();
    }
  }
  if (only === undefined) {
    return all.length === 0
      ? `no server of yours is running with a control socket (looked in ${lookedIn()})`
      : `no server has the process id or port ${which}; there is ${names(all)}`;
  }
  return matching.length === 1
    ? only
    : `there are ${matching.length} servers, name one: ${names(matching)}`;
}

async function look(path: string): Promise<Found | Error> {
  const source = new Source(path);
  try {
    return { source, snapshot: await source.snapshot() };
  } catch (error) {
    source.close();
    return error instanceof Error ? error : new Error(String(error));
  }
}

function isMeant({ snapshot: { pid, address } }: Found, number: number): boolean {
  return pid === number || address.endsWith(`:${number}`);
}

function names(servers: readonly Found[]): string {
  return servers
    .map(({ snapshot, source }) => `pid ${snapshot.pid} on ${snapshot.address} (${source.path})`)
    .join(', ');
}

/** Prints each sample. */
async function print(
  source: Source,
  first: Snapshot,
  intervalMs: number,
  flags: MonitorFlags,
): Promise<void> {
  let before = first;
  let gone = false;
  process.stdout.on('close', () => {
    gone = true;
  });
  do {
    await sleep(intervalMs);
    const after = await source.snapshot();
    const sample = compare(before, after);
    before = after;
    process.stdout.write(flags.json ? `${JSON.stringify(sample)}\n` : asText(sample));
  } while (!flags.once && !gone);
}

/** One screen as text, without its last line, which shows the keys. */
function asText(sample: Sample): string {
  // Undefined without a terminal, 0 for a terminal that does not know its size.
  const columns = process.stdout.columns || 80;
  const colours = hasColours(process.stdout);
  const view: View = { history: [sample], paused: false, sort: 'name' };
  const lines = render(view, { columns, rows: 200, colours }).slice(0, -1);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Fills the screen until the user presses q. Rejects if the server ends. */
async function show(source: Source, first: Snapshot, intervalMs: number): Promise<void> {
  let before = first;
  let view: View = { history: [], paused: false, sort: 'name' };
  const done = new AbortController();
  const terminal = new Terminal(() => terminal.draw((room) => render(view, room)), onKey);

  function onKey(key: string): void {
    if (key === 'q' || key === '\x03') {
      done.abort();
      return;
    }
    if (key === 'p' || key === ' ') {
      view = { ...view, paused: !view.paused };
    } else if (key === 's') {
      const next = SORTS[(SORTS.indexOf(view.sort) + 1) % SORTS.length];
      view = { ...view, sort: next ?? 'name' };
    }
    terminal.redraw();
  }

  const quit = () => done.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, quit);
  }
  terminal.open();
  try {
    while (!done.signal.aborted) {
      await sleep(intervalMs, undefined, { signal: done.signal }).catch(() => {});
      if (done.signal.aborted) {
        return;
      }
      const after = await source.snapshot();
      if (!view.paused) {
        view = { ...view, history: [...view.history.slice(1 - HISTORY), compare(before, after)] };
        terminal.redraw();
      }
      before = after;
    }
  } finally {
    terminal.close();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.off(signal, quit);
    }
  }
}
