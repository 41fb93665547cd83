// `reactor-rs serve` as the trial sees it: which process serves, and what was told.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../../../dist/cli/bin.js', import.meta.url));

/** One command and all its successors. */
export class Served {
  /** The lines of JSON that they printed when they listened. */
  listening = [];
  #out = '';
  err = '';
  #pids = new Set();

  /** @param {string[]} args of `serve` */
  constructor(args, env = {}) {
    this.child = spawn(process.execPath, [BIN, 'serve', '--json', ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#pids.add(this.child.pid);
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.#out += text;
      for (let end = this.#out.indexOf('\n'); end >= 0; end = this.#out.indexOf('\n')) {
        const line = this.#out.slice(0, end);
        this.#out = this.#out.slice(end + 1);
        if (line.startsWith('{')) {
          const told = JSON.parse(line);
          this.listening.push(told);
          this.#pids.add(told.pid);
        }
      }
    });
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.err += text;
    });
  }

  /** The process that serves. */
  get pid() {
    return this.listening.at(-1)?.pid;
  }

  async until(condition, what, seconds = 60) {
    const deadline = performance.now() + seconds * 1000;
    while (!condition()) {
      if (performance.now() > deadline) {
        throw new Error(`waited ${seconds} s for ${what}; stderr: ${this.err.slice(-2000)}`);
      }
      await sleep(5);
    }
  }

  /** Resolves when so many processes have served. */
  async served(count) {
    await this.until(
      () => this.listening.length >= count || (count === 1 && this.child.exitCode !== null),
      `generation ${count}`,
    );
    if (this.listening.length < count) {
      throw new Error(`generation ${count} does not serve: ${this.err}`);
    }
    return this.listening[count - 1];
  }

  signal(name, pid = this.pid) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') {
        throw error;
      }
    }
  }

  /** Those of the processes that are there. */
  alive() {
    return [...this.#pids].filter(isAlive);
  }

  /** Ends whatever is left. */
  kill() {
    for (const pid of this.alive()) {
      this.signal('SIGKILL', pid);
    }
  }
}

/** The children of a process. */
export function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

export function isAlive(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
