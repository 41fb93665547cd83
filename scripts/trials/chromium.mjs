// Chromium, headless, over its debugging pipe.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Starts it.
 * @param {string} path of the program
 * @param {readonly string[]} [args] beyond the usual
 */
export function openChromium(path, args = []) {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-chromium-'));
  const child = spawn(
    path,
    [
      ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
      ...['--remote-debugging-pipe', `--user-data-dir=${folder}`, '--no-first-run'],
      // Nothing but the trial's own traffic.
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...args,
    ],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: folder },
    },
  );
  const [, , , to, from] = child.stdio;
  const waiting = new Map();
  const listeners = new Map();
  const sessions = new Map();
  let count = 0;
  let text = '';
  from.setEncoding('utf8').on('data', (piece) => {
    const parts = (text + piece).split('\0');
    text = parts.pop();
    for (const part of parts) {
      const { id, result, error, method, params, sessionId } = JSON.parse(part);
      if (id === undefined) {
        listeners.get(method)?.(params);
        sessions.get(sessionId)?.(method, params);
      } else {
        const { resolve, reject } = waiting.get(id);
        waiting.delete(id);
        error === undefined ? resolve(result) : reject(new Error(error.message));
      }
    }
  });
  return {
    send(method, params = {}, sessionId = undefined) {
      const id = ++count;
      to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    on: (method, listener) => listeners.set(method, listener),
    /** All events of one page. */
    onSession: (sessionId, listener) => sessions.set(sessionId, listener),
    off: (method) => listeners.delete(method),
    next: (method) => new Promise((resolve) => listeners.set(method, resolve)),
    async close() {
      const ended = once(child, 'exit');
      await this.send('Browser.close');
      await ended;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
