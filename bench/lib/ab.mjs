// One run of ab, ApacheBench.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from './failure.mjs';

const exec = promisify(execFile);

/** Without a number ab ends after 50,000 requests; for this many it has memory. */
const MOST_REQUESTS = 2_000_000;

/** The arguments of ab, which has one thread and speaks HTTP/1.0 with keep-alive. */
export function abArgs({ connections }, { url }, seconds) {
  const load = ['-k', '-q', '-c', connections, '-t', seconds, '-n', MOST_REQUESTS].map(String);
  return [...load, url];
}

/** Runs ab and returns its figures in the shape of those of `wrk`. */
export async function ab(scenario, target, seconds) {
  const folder = mkdtempSync(join(tmpdir(), 'ab-'));
  try {
    const csv = join(folder, 'percentiles.csv');
    const { stdout } = await exec('ab', ['-e', csv, ...abArgs(scenario, target, seconds)]);
    const number = (name) => {
      return Number(new RegExp(`^${name}: +([\\d.]+)`, 'm').exec(stdout)?.[1] ?? 0);
    };
    // In milliseconds, by whole percents.
    const rows = readFileSync(csv, 'utf8')
      .split('\n')
      .map((line) => line.split(','));
    const percentile = (percent) => {
      const row = rows.find(([name]) => name === String(percent));
      return row === undefined ? null : Number(row[1]) * 1000;
    };
    return {
      rate: number('Requests per second'),
      requests: number('Complete requests'),
      seconds: number('Time taken for tests'),
      p50: percentile(50),
      p99: percentile(99),
      errors: number('Failed requests') + number('Non-2xx responses'),
    };
  } catch (error) {
    throw new Failure(`ab failed: ${error.stderr?.trim() || error.message}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
