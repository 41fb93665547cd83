// What systemd is told of this process (sd_notify(3)). Without NOTIFY_SOCKET, as under no manager
// and under one that does not listen, nothing here does anything.

import { Option } from 'commander';
import { binding } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import type { RunningServer } from '../server/server.js';
import { say } from './output.js';

/** The longest time that a handler may take, in seconds. */
const DAY_S = 86_400;

/** How often the status is told, in milliseconds. */
const STATUS_MS = 5000;

/** The first failure has been told. */
let hasFailed = false;
let lastStatus = '';
/** Another process speaks for the service. */
let isRetired = false;

/** `--watchdog-handlers`, as milliseconds. */
export function handlersFlag(): Option {
  const flags = '--watchdog-handlers <seconds>';
  const text = "for systemd's watchdog, a handler that is stuck for so long counts as dead";
  return new Option(flags, text).helpGroup('Watching:').argParser((spelled) => {
    const seconds = /^\d{1,5}$/.test(spelled) ? Number(spelled) : 0;
    if (seconds < 1 || seconds > DAY_S) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `--watchdog-handlers must be an integer from 1 to ${DAY_S}, in seconds, got "${spelled}"`,
      );
    }
    return seconds * 1000;
  });
}

/** The server serves; also after {@link reloading}. */
export function ready(): void {
  notify('READY=1');
}

/** The server reads its settings anew. {@link ready} follows. */
export function reloading(): void {
  // systemd tells an earlier READY=1 by it from the one that follows.
  notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
}

/** The server is about to end. */
export function stopping(): void {
  notify('STOPPING=1');
}

/** Another process speaks for the service from now on. */
export function retired(): void {
  isRetired = true;
  // While requests under way keep this one, a successor that is stuck would not be noticed.
  binding().endWatchdog();
}

/** Another process is the service's main one from now on. */
export function mainPid(pid: number): void {
  retired();
  notify(`MAINPID=${pid}`);
}

/** One line for `systemctl status`. */
export function status(text: string): void {
  if (text !== lastStatus && !isRetired) {
    lastStatus = text;
    notify(`STATUS=${text}`);
  }
}

/**
 * Tells systemd that the server serves, from now on how much it does, and that it is alive.
 * @param handlersMs a handler that has kept its thread for so long counts as dead; by default none
 * @returns ends the status
 */
export function serves(server: RunningServer, handlersMs: number | undefined): () => void {
  const socket = process.env.NOTIFY_SOCKET;
  if (!socket) {
    return () => {};
  }
  ready();
  const period = watchdogPeriod(process.env);
  if (period !== undefined) {
    server.feedWatchdog(socket, period, handlersMs);
  }
  return reportStatus(server);
}

/** Milliseconds after which systemd takes the process for dead; `undefined` if it does not look. */
export function watchdogPeriod({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv) {
  const isOurs = !WATCHDOG_PID || Number(WATCHDOG_PID) === process.pid;
  const period = Math.floor(Number(WATCHDOG_USEC) / 1000);
  return isOurs && period >= 1 ? Math.min(period, 2 ** 32 - 1) : undefined;
}

function reportStatus(server: RunningServer): () => void {
  let last = server.stats();
  status(describe(0, last.connections.open, last.stopping));
  const timer = setInterval(() => {
    const stats = server.stats();
    const seconds = (stats.uptimeMs - last.uptimeMs) / 1000;
    const rate = (stats.requests.total - last.requests.total) / Math.max(seconds, 0.001);
    last = stats;
    status(describe(rate, stats.connections.open, stats.stopping));
  }, STATUS_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function describe(rate: number, open: number, isStopping: boolean): string {
  const does = isStopping ? 'stopping' : 'serving';
  return `${does}: ${Math.round(rate)} requests/s, ${open} ${open === 1 ? 'connection' : 'connections'}`;
}

function notify(state: string): void {
  const socket = process.env.NOTIFY_SOCKET;
  if (!socket) {
    return;
  }
  try {
    binding().notifyManager(socket, state);
  } catch (error) {
    if (!hasFailed) {
      hasFailed = true;
      say(`reactor-rs: cannot tell systemd at ${socket}: ${(error as Error).message}`);
    }
  }
}
