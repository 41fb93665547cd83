import cluster from 'node:cluster';
import { closeSync, writeSync } from 'node:fs';
import net from 'node:net';
import { inherit, leftOver, socketsOf } from '../server/inherited.js';
import type { RunningServer } from '../server/server.js';
import { reactTo } from './early.js';
import { given } from './origin.js';
import { paint, say } from './output.js';
import { Successor } from './successor.js';
import * as systemd from './systemd.js';

/** What supervisor and supervised process tell each other. Programs may use the channel too. */
export type Told =
  /** A listening socket, which comes along. */
  | { reactor: 'socket'; key: string }
  /** That were all of them. */
  | { reactor: 'sockets'; timeout: number }
  /** SIGUSR2 came here. */
  | { reactor: 'renew' }
  /** A successor serves. */
  | { reactor: 'retire' };

/** How long a successor may load, in milliseconds. */
export const RELOAD_MS = 60_000;

/** What the flags say of successors. */
export interface GenerationFlags {
  readonly quiet?: boolean | undefined;
  readonly watch?: boolean | undefined;
  /** In milliseconds. */
  readonly reloadTimeout?: number | undefined;
}

/** The place of this process in the line of those that serve on the same sockets. */
export class Generations {
  readonly #server: RunningServer;
  readonly #flags: GenerationFlags;
  readonly #timeout: number;
  readonly #forgetSignal: () => void;
  #successor: Successor | null = null;
  /** The successor serves. */
  #isRetired = false;
  #isStopping = false;
  /** Resolves when the successor has ended that a stop has ended. */
  #ending: Promise<void> = Promise.resolve();

  constructor(server: RunningServer, flags: GenerationFlags) {
    this.#server = server;
    this.#flags = flags;
    this.#timeout = flags.reloadTimeout ?? RELOAD_MS;
    this.#forgetSignal = reactTo('SIGUSR2', this.#onSignal);
    if (this.#isSupervised) {
      process.on('message', this.#onMessage);
      process.once('disconnect', this.#onDisconnect);
      // Only the server keeps the process alive.
      process.channel?.unref();
    }
  }

  /** Tells predecessor and supervisor that this process serves. */
  async serves(): Promise<void> {
    for (const { fd } of given?.listeners ?? []) {
      // The server has copies, and what it has not taken is given up.
      close(fd);
    }
    leftOver();
    if (this.#isSupervised) {
      await this.#giveSockets().catch(({ message }: Error) => {
        if (process.connected) {
          say(`reactor-rs: the supervisor cannot keep the sockets: ${message}`);
        }
      });
    }
    if (given !== undefined) {
      try {
        writeSync(given.ready, `ready ${process.pid}\n`);
      } catch {
        // It is gone: this process goes on in its place.
      }
      close(given.ready);
    }
  }

  /** The server stops: no successor is to take its place. False if one has. */
  stop(): boolean {
    if (this.#isRetired) {
      return false;
    }
    this.#isStopping = true;
    if (this.#successor !== null) {
      this.#ending = this.#successor.end();
    }
    return true;
  }

  /** The server has stopped. */
  async close(): Promise<void> {
    this.#forgetSignal();
    process.off('message', this.#onMessage);
    process.off('disconnect', this.#onDisconnect);
    await this.#ending;
  }

  get #isSupervised(): boolean {
    return given?.isSupervised === true && process.connected;
  }

  readonly #onSignal = () => {
    if (this.#flags.watch) {
      say(
        'reactor-rs: SIGUSR2 starts no successor with --watch, which loads the module anew by itself',
      );
    } else if (this.#isSupervised) {
      tell({ reactor: 'renew' });
    } else if (this.#isRetired || this.#isStopping) {
      say('reactor-rs: SIGUSR2 starts no successor: this process is ending');
    } else if (this.#successor !== null) {
      say(
        `reactor-rs: SIGUSR2 starts no further successor: process ${this.#successor.pid} is loading`,
      );
    } else if (cluster.isWorker) {
      say(
        'reactor-rs: SIGUSR2 starts no successor of a worker of node:cluster, which its primary process replaces',
      );
    } else if (process.pid === 1) {
      say(
        'reactor-rs: SIGUSR2 starts no successor in process 1, with which its container ends; leave out --no-supervise',
      );
    } else {
      void this.#renew();
    }
  };

  readonly #onMessage = (message: unknown) => {
    if ((message as Told | null)?.reactor === 'retire') {
      this.#retire();
    }
  };

  readonly #onDisconnect = () => {
    if (!this.#isRetired && !this.#isStopping) {
      say('reactor-rs: the supervisor has ended; this process goes on without it');
    }
  };

  async #renew(): Promise<void> {
    let successor: Successor;
    try {
      successor = new Successor(socketsOf(), this.#timeout, false);
    } catch (error) {
      say(refusal((error as Error).message));
      return;
    }
    this.#successor = successor;
    if (successor.pid !== undefined) {
      this.#say(`SIGUSR2: process ${successor.pid} loads`);
    }
    systemd.reloading();
    const why = await successor.ready;
    if (this.#isStopping) {
      return;
    }
    if (why === null) {
      this.#say(`process ${successor.pid} serves; this one finishes requests under way`);
      successor.process.unref();
      systemd.mainPid(successor.pid as number);
      systemd.ready();
      this.#retire();
      return;
    }
    say(refusal(why));
    systemd.ready();
    await successor.end();
    this.#successor = null;
  }

  #retire(): void {
    if (!this.#isRetired && !this.#isStopping) {
      this.#isRetired = true;
      systemd.retired();
      void this.#server.retire();
    }
  }

  async #giveSockets(): Promise<void> {
    try {
      for (const { key, fd } of socketsOf()) {
        await send({ reactor: 'socket', key }, handleOf(fd));
      }
    } finally {
      await send({ reactor: 'sockets', timeout: this.#timeout });
    }
  }

  #say(line: string): void {
    if (!this.#flags.quiet) {
      say(paint('dim', line));
    }
  }
}

/** Servers of this process go on with the sockets that it was given. */
export function goOn(): void {
  if (given !== undefined) {
    inherit(given.listeners);
  }
}

function refusal(why: string): string {
  return `${paint('red', 'reactor-rs:')} the successor does not serve: ${why}; this process goes on`;
}

function tell(message: Told): void {
  process.send?.(message, undefined, undefined, () => {});
}

function send(message: Told, handle?: net.Server): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, handle, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * A listening socket in the form in which Node sends it to another process. A `net.Server` would
 * accept connections, here and there; this one does not. It is never closed, since the descriptor
 * belongs to the engine.
 */
function handleOf(fd: number): net.Server {
  const { _createServerHandle: create } = net as unknown as {
    _createServerHandle(address: null, port: null, type: null, fd: number): net.Server | number;
  };
  const handle = create(null, null, null, fd);
  if (typeof handle === 'number') {
    throw new Error(`descriptor ${fd} cannot be sent (${handle})`);
  }
  return handle;
}

function close(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It is closed already.
  }
}
