import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { resolveOptions } from '../options/options.js';
import type { ServeOptions } from '../types/options.js';
import { type Failure, shortPath } from '../watch/failure.js';
import { Session, type SessionEvents, type Watched } from '../watch/session.js';
import { linesOf, type Style } from '../watch/shown.js';
import { paint, printable, say } from './output.js';
import { type ServeFlags, untilSignal } from './serve.js';

/**
 * How long requests may take after Ctrl-C, in milliseconds: a developer waits for the command, and
 * open pages may have streams without an end.
 */
const STOP_MS = 1000;

/** The changed files that one line names. */
const MOST_NAMES = 3;

const STYLE: Style = {
  headline: (text) => paint('red', text),
  place: (text) => paint('cyan', text),
  here: (text) => paint('red', text),
  faint: (text) => paint('dim', text),
  plain: (text) => text,
};

/** Serves a module, and loads it anew when it changes; resolves to the exit code. */
export async function watchCommand(watched: Watched, flags: ServeFlags): Promise<number> {
  // A wrong flag is no error of the module, so no change of a file would mend it.
  resolveOptions(watched.settle({}) as ServeOptions, { routes: [] });
  const session = new Session(watched, flags.json ? jsonEvents() : textEvents(watched, flags));
  const keys = readKeys(session, flags);
  try {
    let started = await session.start();
    for (;;) {
      const { server, resolved, jsThreads } = started;
      // No balancer waits for the server of a developer.
      const options = { ...resolved, signal: session.signal, shutdownDelay: 0 };
      const cutOff = () => setTimeout(() => void server.stop({ force: true }), STOP_MS).unref();
      process.once('SIGINT', cutOff);
      const stopped = untilSignal(server, options, jsThreads, flags);
      if (keys !== undefined) {
        say(paint('dim', 'r and Enter loads the module anew, q and Enter quits'));
      }
      const exitCode = await stopped;
      process.off('SIGINT', cutOff);
      const next = await session.next();
      if (next === undefined) {
        return exitCode;
      }
      started = next;
    }
  } finally {
    keys?.close();
    session.close();
  }
}

function textEvents({ module }: Watched, { quiet }: ServeFlags): SessionEvents {
  const tell = (line: string) => {
    if (!quiet) {
      say(line);
    }
  };
  const show = (failure: Failure, title: string) => {
    say(`${paint('red', 'reactor-rs:')} ${title}`);
    for (const line of linesOf(failure, STYLE)) {
      say(line === '' ? '' : `  ${line}`);
    }
  };
  return {
    reloaded: (files, ms) =>
      tell(
        `${paint('bold', 'reloaded')} ${named(files, module)} ${paint('dim', `(${ms.toFixed(0)} ms)`)}`,
      ),
    failed: (failure, hasOld) =>
      show(
        failure,
        hasOld
          ? `${printable(module)} has an error; the version before it goes on answering`
          : `${printable(module)} has an error, and is loaded again when a file changes`,
      ),
    handlerFailed: (failure, request) =>
      show(failure, `the handler failed for ${printable(request)}`),
    died: (failure, thread) =>
      show(failure, `JavaScript thread ${thread} has ended, and is replaced`),
    slow: () => tell(paint('dim', `${printable(module)} still loads: perhaps a top-level await`)),
    restarting: () =>
      tell(`${printable(module)} has other options: the server starts anew, and connections end`),
    ignored: (options) =>
      tell(
        paint(
          'dim',
          `with --watch handlers run on a JavaScript thread, where ${options.join(', ')} of ${printable(module)} has no effect`,
        ),
      ),
    trouble: (message) => say(`${paint('red', 'reactor-rs:')} ${printable(message)}`),
  };
}

function named(files: readonly string[], module: string): string {
  if (files.length === 0) {
    return printable(module);
  }
  const names = files.slice(0, MOST_NAMES).map((file) => printable(shortPath(file)));
  const rest = files.length - names.length;
  return `${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** One line of JSON for each. */
function jsonEvents(): SessionEvents {
  const print = (event: string, more: Record<string, unknown> = {}) =>
    process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
  return {
    reloaded: (files, ms) => print('reloaded', { files, ms: Math.round(ms) }),
    failed: (failure, hasOld, files) => print('failed', { files, hasOld, failure }),
    handlerFailed: (failure, request) => print('handler-failed', { request, failure }),
    died: (failure, thread) => print('died', { thread, failure }),
    slow: () => print('slow'),
    restarting: () => print('restarting'),
    ignored: (options) => print('ignored', { options }),
    trouble: (message) => print('trouble', { message }),
  };
}

/** `r` and Enter reloads, `q` and Enter quits. Without a terminal nothing is read. */
function readKeys(session: Session, { quiet, json }: ServeFlags): Interface | undefined {
  if (quiet || json || !process.stdin.isTTY || !isInForeground()) {
    return undefined;
  }
  const lines = createInterface({ input: process.stdin, terminal: false });
  lines.on('line', (line) => {
    const key = line.trim();
    if (key === 'r') {
      session.reload();
    } else if (key === 'q') {
      process.kill(process.pid, 'SIGINT');
    }
  });
  return lines;
}

/** A process in the background is stopped when it reads from its terminal. */
function isInForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const [, , , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 1).split(' ');
    return group === foreground;
  } catch {
    return false;
  }
}
