import { constants } from 'node:os';
import { onShutdownMessage } from '../cluster/manager.js';
import type { ResolvedShutdown } from '../options/options.js';
import type { Server } from '../types/server.js';

type Signal = 'SIGINT' | 'SIGTERM';

const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM'];

/**
 * A terminal and npm both deliver one Ctrl-C to the same process, some milliseconds apart. Two
 * presses are never that close.
 */
export const SAME_SIGNAL_MS = 250;

/** The servers that a signal stops, and how. */
const servers = new Map<Server, ResolvedShutdown>();
let firstAt: number | undefined;
/** When the last server begins its drain. */
let delayedUntil = 0;
let forcedBy: Signal | undefined;
/** No message of a process manager is listened for any more. */
let forgetMessages = () => {};

/**
 * Stops the server on SIGINT, SIGTERM or a process manager's message, after its delay; a second
 * signal ends the delay. Requests under way may finish; a further signal cuts them off. Then the
 * process ends with 0, or with 128 plus the signal's number after a second signal. A program that
 * listens for the signal itself must end the process.
 */
export function stopOnSignals(server: Server, shutdown: ResolvedShutdown): void {
  if (servers.size === 0) {
    for (const signal of SIGNALS) {
      process.on(signal, onSignal);
    }
    forgetMessages = onShutdownMessage(() => onSignal('SIGTERM'));
  }
  servers.set(server, shutdown);
  // The reason of the stop does not matter.
  server.finished.then(
    () => forget(server),
    () => forget(server),
  );
}

function forget(server: Server): void {
  servers.delete(server);
  if (servers.size === 0 && firstAt === undefined) {
    forgetMessages();
    for (const signal of SIGNALS) {
      process.off(signal, onSignal);
    }
  }
}

function onSignal(signal: Signal): void {
  const now = performance.now();
  if (firstAt === undefined) {
    firstAt = now;
    delayedUntil = now + Math.max(...[...servers.values()].map(({ delay }) => delay));
    // The process ends when the last server has stopped. No timer here may delay that.
    void stopAll(signal);
  } else if (now - firstAt <= SAME_SIGNAL_MS) {
    return;
  } else if (now < delayedUntil) {
    delayedUntil = 0;
    firstAt = now;
    for (const [server, shutdown] of servers) {
      void stopWithin(server, { ...shutdown, delay: 0 });
    }
  } else if (forcedBy === undefined) {
    forcedBy = signal;
    for (const server of servers.keys()) {
      void server.stop({ force: true });
    }
  }
}

async function stopAll(signal: Signal): Promise<void> {
  await Promise.allSettled([...servers].map(([server, shutdown]) => stopWithin(server, shutdown)));
  const isOurs = process.listenerCount(signal) === 1;
  for (const each of SIGNALS) {
    process.off(each, onSignal);
  }
  if (isOurs) {
    await flushed();
    process.exit(forcedBy === undefined ? process.exitCode : 128 + constants.signals[forcedBy]);
  }
}

async function stopWithin(server: Server, { timeout, delay }: ResolvedShutdown): Promise<void> {
  const timer = setTimeout(() => void server.stop({ force: true }), delay + timeout);
  try {
    await server.stop({ delay });
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves once all output is written, which `process.exit` does not wait for. */
export async function flushed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(written));
}

/** Resolves once all output of the stream is written, or its reader is gone. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
