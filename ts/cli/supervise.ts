import { fstatSync } from 'node:fs';
import { isForMetrics, namedDescriptors, passedSockets } from '../options/activation.js';
import { reactTo } from './early.js';
import type { Told } from './generations.js';
import type { GivenListener } from './origin.js';
import { reapOrphans } from './orphans.js';
import { Successor } from './successor.js';

// This process loads no engine and no module. It holds the listening sockets, which the serving
// process sends it: they stay bound when that one crashes, and connections wait.

/** A process that served this long did not fail quickly, in milliseconds. */
const OLD_MS = 10_000;

/** So many quick failures in a row are enough. */
const MOST_FAILURES = 5;

/** The pause after a quick failure. It doubles with each, up to the last value. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5000;

/** How long a process may load before any has told the flag, in milliseconds. */
const RELOAD_MS = 60_000;

/** A socket that was sent by a process. Nothing is accepted from it. */
interface Handle {
  readonly fd: number;
  close(): void;
}

/** One serving process. */
interface Generation {
  readonly successor: Successor;
  /** The sockets that it has sent. */
  sockets: { key: string; handle: Handle }[];
  /** It has sent all of them. Both come on channels of their own, in any order. */
  hasSent: boolean;
  /** It has told that it serves. */
  isReady: boolean;
  /** When it began to serve. */
  servesSince: number | null;
}

/**
 * Sockets that this process was started with. The serving process calls them by the descriptors that
 * they have here.
 */
function inheritedSockets(): { key: string; handle: Handle }[] {
  const named = namedDescriptors(process.argv.slice(2), process.env).filter(isSocket);
  return [
    ...passedSockets().map((one) => [isForMetrics(one) ? 'metrics ' : '', one.fd] as const),
    ...named.map((fd) => ['', fd] as const),
  ].map(([prefix, fd]) => ({ key: `${prefix}fd ${fd} #0`, handle: { fd, close: () => {} } }));
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    // The serving process tells what is wrong.
    return false;
  }
}

/** Runs the command in a process of its own, again and again; resolves to the exit code. */
export function supervise(): Promise<number> {
  return new Supervisor().run();
}

class Supervisor {
  #sockets = inheritedSockets();
  #timeout = RELOAD_MS;
  /** The process that serves. */
  #current: Generation | null = null;
  /** The process that loads. */
  #next: Generation | null = null;
  readonly #all = new Set<Generation>();
  #hasServed = false;
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;
  #isStopping = false;
  #exitCode = 0;
  #finish: (exitCode: number) => void = () => {};

  run(): Promise<number> {
    const finished = new Promise<number>((resolve) => {
      this.#finish = resolve;
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) {
      process.on(signal, () => this.#stop(signal));
    }
    reactTo('SIGHUP', () => void this.#current?.successor.kill('SIGHUP'));
    process.on('SIGUSR1', () => {
      for (const { successor, servesSince } of this.#all) {
        if (servesSince !== null) {
          successor.kill('SIGUSR1');
        }
      }
    });
    reactTo('SIGUSR2', () => this.#renew());
    if (process.pid === 1) {
      process.on('SIGCHLD', () => this.#reap());
    }
    this.#start(null);
    return finished;
  }

  /** Passes a signal on that ends the command. */
  #stop(signal: NodeJS.Signals): void {
    if (!this.#isStopping) {
      this.#isStopping = true;
      clearTimeout(this.#pause);
      // Connections that come from here on are for the serving process alone, or refused.
      this.#keep([]);
    }
    for (const { successor } of this.#all) {
      successor.kill(signal);
    }
    this.#finishIfOver();
  }

  #renew(): void {
    if (this.#isStopping) {
      return;
    }
    if (this.#current === null || this.#next !== null) {
      const pid = this.#next?.successor.pid;
      say(
        `SIGUSR2 starts no further process: ${pid === undefined ? 'one is about to start' : `process ${pid} is loading`}`,
      );
      return;
    }
    this.#start(this.#timeout);
  }

  /** @param timeout how long it may load, in milliseconds */
  #start(timeout: number | null): void {
    const listeners = this.#sockets.map(({ key, handle }): GivenListener => {
      return { key, fd: handle.fd };
    });
    const successor = new Successor(listeners, timeout, true);
    const generation: Generation = {
      successor,
      sockets: [],
      hasSent: false,
      isReady: false,
      servesSince: null,
    };
    this.#next = generation;
    this.#all.add(generation);
    successor.process.on('message', (message, handle) => {
      this.#hear(generation, message as Told | null, handle as unknown as Handle | undefined);
    });
    void successor.ready.then((why) => this.#settled(generation, why));
    void successor.ended.then((code) => this.#ended(generation, code));
  }

  #hear(generation: Generation, told: Told | null, handle: Handle | undefined): void {
    switch (told?.reactor) {
      case 'socket':
        if (handle !== undefined) {
          generation.sockets.push({ key: told.key, handle });
        }
        break;
      case 'sockets':
        this.#timeout = told.timeout;
        generation.hasSent = true;
        this.#serves(generation);
        break;
      case 'renew':
        this.#renew();
        break;
      default:
        // The program's own message, to a parent that it does not have.
        handle?.close();
    }
  }

  /** A process has told that it serves, or will not. */
  #settled(generation: Generation, why: string | null): void {
    const { successor } = generation;
    if (why === null) {
      generation.isReady = true;
      this.#serves(generation);
    } else if (!successor.isOver && !this.#isStopping) {
      say(`process ${successor.pid} does not serve: ${why}; it is ended`);
      void successor.end();
    }
  }

  #serves(generation: Generation): void {
    const { isReady, hasSent } = generation;
    if (!isReady || !hasSent || this.#isStopping || generation !== this.#next) {
      return;
    }
    generation.servesSince = performance.now();
    const before = this.#current;
    this.#current = generation;
    this.#next = null;
    this.#hasServed = true;
    this.#keep(generation.sockets);
    before?.successor.process.send({ reactor: 'retire' } satisfies Told, (error) => {
      if (error !== null) {
        // Its program has closed the channel.
        before.successor.kill('SIGTERM');
      }
    });
  }

  #ended(generation: Generation, code: number): void {
    this.#all.delete(generation);
    const { successor, servesSince, sockets } = generation;
    if (generation === this.#current) {
      this.#current = null;
      this.#exitCode = code;
    } else if (generation === this.#next) {
      this.#next = null;
      if (this.#current === null && !(this.#isStopping && this.#hasServed)) {
        this.#exitCode = code;
      }
      if (this.#sockets !== sockets) {
        closeAll(sockets);
      }
    } else {
      // It had a successor.
      if (code !== 0 && !this.#isStopping) {
        say(`process ${successor.pid}, which had a successor, ended with ${code}`);
      }
      this.#finishIfOver();
      return;
    }
    if (this.#isStopping || this.#current !== null || this.#next !== null) {
      if (!this.#isStopping) {
        say(
          this.#current === null
            ? `${outcomeOf(successor, code)}; process ${this.#next?.successor.pid} is loading`
            : `${outcomeOf(successor, code, ' does not serve: it')}; process ${this.#current.successor.pid} goes on`,
        );
      }
      this.#finishIfOver();
      return;
    }
    // Its code tells why it could not be started at all, or that it came to its end.
    if (!this.#hasServed || (code === 0 && servesSince !== null)) {
      this.#giveUp();
      return;
    }
    const isQuick = servesSince === null || performance.now() - servesSince < OLD_MS;
    this.#failures = isQuick ? this.#failures + 1 : 0;
    if (this.#failures >= MOST_FAILURES) {
      say(`${outcomeOf(successor, code)}, the last of ${MOST_FAILURES} that failed quickly`);
      this.#giveUp();
      return;
    }
    const pause =
      this.#failures <= 1 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 2), LAST_PAUSE_MS);
    say(`${outcomeOf(successor, code)}; another is started${pause === 0 ? '' : ` in ${pause} ms`}`);
    this.#pause = setTimeout(() => this.#start(this.#timeout), pause);
  }

  #giveUp(): void {
    this.#isStopping = true;
    this.#keep([]);
    this.#finishIfOver();
  }

  /** Holds these sockets in place of those before. */
  #keep(sockets: { key: string; handle: Handle }[]): void {
    if (this.#sockets !== sockets) {
      closeAll(this.#sockets);
      this.#sockets = sockets;
    }
  }

  #reap(): void {
    const own = new Set([...this.#all].map(({ successor }) => successor.pid));
    void reapOrphans(own).catch(() => {});
  }

  #finishIfOver(): void {
    if (this.#isStopping && this.#all.size === 0) {
      this.#finish(this.#exitCode);
    }
  }
}

function closeAll(sockets: readonly { handle: Handle }[]): void {
  for (const { handle } of sockets) {
    handle.close();
  }
}

/** How it ended, or why it did not begin. */
function outcomeOf({ pid, startError }: Successor, code: number, does = ''): string {
  return startError === null
    ? `process ${pid}${does} ended with ${code}`
    : `no process can be started: ${startError}`;
}

/** One line on stderr. The module that paints them is not loaded, to stay small. */
function say(line: string): void {
  process.stderr.write(`reactor-rs: ${line}\n`);
}
