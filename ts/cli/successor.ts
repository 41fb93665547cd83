import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { environmentWith, type GivenListener, origin } from './origin.js';

/** How long a process that is to end may take, in milliseconds. Then it is killed. */
const END_MS = 2000;

/** The pipe of a process that has ended closes first. So long its exit is awaited, in milliseconds. */
const EXIT_MS = 1000;

/** The first descriptor behind stdin, stdout and stderr. */
const FIRST = 3;

/** The most characters that are read of what a process tells. */
const MOST_TOLD = 200;

/** A further process of this command, which goes on with these listeners. */
export class Successor {
  readonly process: ChildProcess;
  /** Resolves to why it does not serve; to `null` once it does. Never rejects. */
  readonly ready: Promise<string | null>;
  /** Resolves to its exit code; for a signal to 128 plus its number. */
  readonly ended: Promise<number>;
  #isOver = false;
  #startError: string | null = null;

  /**
   * @param listeners what it goes on with; the descriptors stay open here
   * @param timeout how long it may load, in milliseconds; `null` is no limit
   */
  constructor(listeners: readonly GivenListener[], timeout: number | null, isSupervised: boolean) {
    const ready = FIRST + listeners.length;
    const given = listeners.map(({ key }, at) => ({ key, fd: FIRST + at }));
    const child = spawn(origin.file, origin.args, {
      cwd: origin.cwd,
      env: environmentWith({ listeners: given, ready, isSupervised }),
      stdio: [
        ...(['inherit', 'inherit', 'inherit'] as const),
        ...listeners.map(({ fd }) => fd),
        'pipe',
        ...(isSupervised ? (['ipc'] as const) : []),
      ],
    });
    this.process = child;
    child.once('error', (error) => {
      this.#startError = reasonOf(error);
    });
    child.once('exit', () => {
      this.#isOver = true;
    });
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve(1));
      // After what it has told, here and on its channel.
      child.once('close', (code, signal) => {
        const exitCode = code ?? codeOf(signal);
        if (!child.connected) {
          resolve(exitCode);
          return;
        }
        child.once('disconnect', () => resolve(exitCode));
        setTimeout(() => resolve(exitCode), EXIT_MS).unref();
      });
    });
    this.ready = whenReady(child, child.stdio[ready] as Readable | undefined, timeout);
  }

  /** Why it could not be started at all. Then it has no process id. */
  get startError(): string | null {
    return this.#startError;
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get isOver(): boolean {
    return this.#isOver || this.pid === undefined;
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.isOver) {
      this.process.kill(signal);
    }
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), END_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

function whenReady(
  child: ChildProcess,
  pipe: Readable | undefined,
  timeout: number | null,
): Promise<string | null> {
  return new Promise((resolve) => {
    const timer =
      timeout === null
        ? undefined
        : setTimeout(() => settle(`it was not ready within ${timeout / 1000} s`), timeout);
    let exit: NodeJS.Timeout | undefined;
    const settle = (why: string | null) => {
      clearTimeout(timer);
      clearTimeout(exit);
      pipe?.destroy();
      resolve(why);
    };
    child.once('error', (error) => settle(`it cannot be started: ${reasonOf(error)}`));
    child.once('close', (code, signal) =>
      settle(signal === null ? `it ended with ${code}` : `${signal} ended it`),
    );
    let told = '';
    pipe?.setEncoding('utf8');
    pipe?.on('error', () => {});
    pipe?.on('data', (text: string) => {
      told = (told + text).slice(0, MOST_TOLD);
      if (told.includes('\n')) {
        settle(
          told === `ready ${child.pid}\n` ? null : 'it tells something else than that it is ready',
        );
      }
    });
    pipe?.once('end', () => {
      // Else its other direction keeps the process from being closed.
      pipe.destroy();
      exit = setTimeout(() => settle('it does not tell that it is ready'), EXIT_MS);
    });
  });
}

/** The kernel's error is the same for a program and for a folder that is gone. */
function reasonOf(error: Error): string {
  const gone = [origin.cwd, origin.file].find((path) => !existsSync(path));
  return gone === undefined ? error.message : `${JSON.stringify(gone)} is gone`;
}

/** The exit code that a shell shows for a signal. */
function codeOf(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}
