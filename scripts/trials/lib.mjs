// What all trials share: checks, and programs that may be missing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { find } from '../programs.mjs';
import { check, finish, skip, tally } from './tap.mjs';

export { check, finish, skip, tally };

/** The path of a program, or null, which is printed with what to do. */
export function program(name, install = `apt-get install ${name}`) {
  const path = find(name);
  if (path === null) {
    skip(`${name} was not found (${install})`);
  }
  return path;
}

/**
 * Runs a program to its end.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {string} [options.input]
 * @param {number} [options.seconds] that it may take
 * @param {Record<string, string>} [options.env]
 * @param {Promise<void>} [options.until] when it is interrupted
 * @returns {Promise<{ code: number | null, out: string }>} stdout and stderr, as they came
 */
export async function run(file, args, { input, seconds = 60, env = {}, until } = {}) {
  const child = spawn(file, args, { env: { ...process.env, ...env }, timeout: seconds * 1000 });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  until?.then(() => child.kill('SIGINT'));
  const [code] = await once(child, 'close');
  return { code, out };
}
