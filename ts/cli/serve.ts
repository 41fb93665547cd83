import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { NativeFiles } from '../binding/binding.js';
import { onShutdownMessage, tellReady } from '../cluster/manager.js';
import { type ResolvedOptions, readOptions, resolveOptions } from '../options/options.js';
import { serve } from '../serve.js';
import type { RunningServer } from '../server/server.js';
import { SAME_SIGNAL_MS } from '../server/shutdown.js';
import { serveModule } from '../threads/threads.js';
import type { ThreadCount } from '../types/options.js';
import type { Server, StopOptions } from '../types/server.js';
import { type GenerationFlags, Generations } from './generations.js';
import { count, paint, say, size, span } from './output.js';
import { reloadOnSignal } from './reload-on-signal.js';
import * as systemd from './systemd.js';

/** The flags about the output of `serve`. */
export interface ServeFlags extends GenerationFlags {
  /** Prints no banner and no summary. */
  quiet?: boolean;
  /** Prints one line of JSON on stdout in place of the banner. */
  json?: boolean;
  /** The file of the certificate that the command has made itself. */
  selfSigned?: string | undefined;
  /** Milliseconds after which a stuck handler counts as dead for systemd. */
  watchdogHandlers?: number | undefined;
  /** The argument is a folder. */
  servesFolder?: boolean;
  /** The module whose handlers run on JavaScript threads, which can be loaded anew. */
  threaded?: string;
}

/** Serves until a signal comes; resolves to the exit code. */
export async function serveCommand(
  options: Record<string, unknown>,
  flags: ServeFlags,
): Promise<number> {
  // The command stops the server on a signal, so the module's own option is not needed.
  const { gracefulShutdown: _, ...read } = await readOptions(options);
  const resolved = resolveOptions(read);
  return untilSignal(await serve(read), resolved, undefined, flags);
}

/**
 * Serves a module on JavaScript threads until a signal comes; resolves to the exit code.
 * @param settle makes the server's options of the module's
 */
export async function serveModuleCommand(
  module: string,
  jsThreads: ThreadCount,
  settle: (module: Readonly<Record<string, unknown>>) => Record<string, unknown>,
  flags: ServeFlags,
): Promise<number> {
  const started = await serveModule({ module, jsThreads }, settle);
  return untilSignal(started.server, started.resolved, started.jsThreads, {
    ...flags,
    threaded: module,
  });
}

/**
 * Tells where the server listens, and serves until it is stopped: by a signal, or by the AbortSignal
 * of its options. Resolves to the exit code.
 */
export async function untilSignal(
  server: Server,
  { native, tls, signal, shutdownDelay }: ResolvedOptions,
  jsThreads: number | undefined,
  flags: ServeFlags,
): Promise<number> {
  const { ioThreads, workerThreads, accessLog } = native;
  const generations = new Generations(server as RunningServer, flags);
  const stopped = untilStopped(server, signal, shutdownDelay, generations, flags);
  // Installed after Node's handlers, which it calls.
  (server as RunningServer).guardSignals(native.timeouts.drain, shutdownDelay);
  const forget: (() => void)[] = [];
  if (accessLog?.file !== undefined) {
    forget.push(reopenOnSignal(server));
  }
  const hasTls = tls.some((one) => one !== null);
  forget.push(reloadOnSignal(server, hasTls, flags.threaded));
  // Printed after the signal handlers are installed: the reader may send a signal at once.
  const [route] = native.routes ?? [];
  const folder = flags.servesFolder ? route?.files : undefined;
  // The workers run the built-in application, and read files that are not in memory.
  const hasWorkers = native.routes === undefined || folder !== undefined;
  await generations.serves();
  announce(server, { ioThreads, workerThreads, jsThreads }, hasWorkers, folder, flags);
  forget.push(systemd.serves(server as RunningServer, flags.watchdogHandlers));
  tellReady();
  const forcedBy = await stopped;
  await generations.close();
  // With --watch another server may follow.
  for (const each of forget) {
    each();
  }
  if (!flags.quiet) {
    summarise(server);
  }
  return forcedBy === undefined ? 0 : 128 + constants.signals[forcedBy];
}

function announce(
  server: Server,
  threads: { ioThreads: number; workerThreads: number; jsThreads: number | undefined },
  hasWorkers: boolean,
  folder: NativeFiles | undefined,
  flags: ServeFlags,
): void {
  const { url, urls, hostname, port, unix, metricsUrl } = server;
  const { selfSigned } = flags;
  if (flags.json) {
    const { pid } = process;
    const where = { url, urls, hostname, port, unix, metricsUrl, selfSigned, folder: folder?.path };
    const line = { event: 'listening', ...where, ...threads, pid };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  } else if (!flags.quiet) {
    const { ioThreads, workerThreads, jsThreads } = threads;
    const workers = hasWorkers ? `, ${count(workerThreads, 'worker')}` : '';
    const loops = count(ioThreads, 'I/O thread');
    const js = jsThreads === undefined ? '' : `, ${count(jsThreads, 'JavaScript thread')}`;
    const places = urls.map(({ href }) => paint('cyan', href)).join(', ');
    const does = folder === undefined ? 'listening' : `serving ${folder.path}`;
    say(
      `${paint('bold', 'reactor-rs')} ${does} on ${places} ${paint('dim', `(${loops}${workers}${js}, pid ${process.pid})`)}`,
    );
    if (selfSigned !== undefined) {
      say(
        paint(
          'red',
          `for development only: no client trusts its self-signed certificate, unless told to: curl --cacert ${selfSigned}`,
        ),
      );
    }
    if (folder !== undefined) {
      warnOf(folder);
    }
    if (metricsUrl !== undefined) {
      // Browsers open no unix socket.
      const page = metricsUrl.endsWith('/metrics') ? metricsUrl.slice(0, -'metrics'.length) : '';
      const dashboard = page === '' ? '' : `, dashboard on ${paint('cyan', page)}`;
      say(`metrics on ${paint('cyan', metricsUrl)}${dashboard}`);
    }
  }
}

/** Says what a folder has, or has not, that its user may not know. */
function warnOf({ path, spa, listing }: NativeFiles): void {
  const has = (name: string) => existsSync(join(path, name));
  if (has('package.json')) {
    say(paint('red', 'it has a package.json: its sources and node_modules can be read too'));
  }
  if (spa === undefined && !listing && !has('index.html')) {
    say(paint('dim', 'it has no index.html, so / is a 404; --listing lists the files'));
  }
}

/** SIGUSR1, which log rotation sends, reopens the access log. Returns a function that ends this. */
function reopenOnSignal(server: Server): () => void {
  return listen('SIGUSR1', () => {
    try {
      server.reopenLog();
    } catch (error) {
      say(`reactor-rs: ${(error as Error).message}; the old file stays in use`);
    }
  });
}

function listen(signal: NodeJS.Signals, listener: () => void): () => void {
  process.on(signal, listener);
  return () => process.off(signal, listener);
}

/**
 * Drains on the first signal, and cuts off on the second, which it returns. With a delay the first
 * only says so, and one more signal drains at once. The module's own AbortSignal stops the server too.
 */
async function untilStopped(
  server: Server,
  aborts: AbortSignal | undefined,
  delay: number,
  generations: Generations,
  flags: ServeFlags,
): Promise<'SIGINT' | 'SIGTERM' | undefined> {
  return new Promise((resolve, reject) => {
    let lastAt: number | undefined;
    let drainsAt = 0;
    let forcedBy: 'SIGINT' | 'SIGTERM' | undefined;

    const tell = (text: string) => {
      if (!flags.quiet) {
        say(paint('dim', text));
      }
    };
    const stop = (options: StopOptions) => {
      if (generations.stop()) {
        systemd.stopping();
      }
      (server as RunningServer).stopAll(options).then(soon, reject);
    };
    // The engine also gets a second signal, and may have stopped before the signal arrives here. It
    // then arrives in the next turn of the event loop.
    const soon = () => setImmediate(() => setImmediate(finish));
    const finish = () => {
      forgetMessages();
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      resolve(forcedBy);
    };
    const onSignal = (signal: 'SIGINT' | 'SIGTERM') => {
      const now = performance.now();
      if (lastAt !== undefined && now - lastAt <= SAME_SIGNAL_MS) {
        return;
      }
      const isFirst = lastAt === undefined;
      lastAt = now;
      if (isFirst && delay > 0) {
        drainsAt = now + delay;
        tell(`${signal}: not ready any more, and ending in ${span(delay)}; once more to end now`);
        stop({ delay });
      } else if (isFirst || now < drainsAt) {
        drainsAt = 0;
        tell(`${signal}: finishing requests under way; once more to cut them off`);
        stop({});
      } else if (forcedBy === undefined) {
        forcedBy = signal;
        stop({ force: true });
      }
    };
    aborts?.addEventListener('abort', () => stop({}), { once: true });
    // A successor takes its place, the program has stopped it, or the primary of node:cluster has.
    server.finished.then(soon, reject);
    const forgetMessages = onShutdownMessage(() => onSignal('SIGTERM'));
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

function summarise(server: Server): void {
  const { connections, requests, bytes, uptimeMs } = server.stats();
  say(
    [
      `served ${count(requests.total, 'request')} on ${count(connections.accepted, 'connection')}`,
      `${size(bytes.received)} in`,
      `${size(bytes.sent)} out`,
      `up ${span(uptimeMs)}`,
    ].join(', '),
  );
}
