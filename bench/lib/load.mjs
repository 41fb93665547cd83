// One run of our own client, `reactor-rs bench`.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from './failure.mjs';
import { CIPHER } from './tls.mjs';

const exec = promisify(execFile);

const PROGRAM = 'dist/cli/bin.js';

/**
 * The arguments of `reactor-rs` for a scenario, with a `rate` as an open loop. With
 * `expected`, a body or an @ and the file that has it, other answers are errors.
 */
export function benchArgs(
  {
    threads = 1,
    connections,
    depth = 1,
    rate,
    keepAlive = true,
    resume = true,
    size,
    body,
    compress = false,
    subscribers,
  },
  { url, expected },
  seconds,
) {
  const open = rate === undefined ? [] : ['-R', String(rate)];
  const expect =
    expected === undefined ? [] : ['--expect-status', '200', '--expect-body', expected];
  const many =
    subscribers === undefined
      ? ['-c', connections, '--pipeline', depth]
      : ['--subscribers', subscribers];
  const load = ['-t', threads, ...many, ...open].map(String);
  if (size !== undefined) load.push('--size', String(size));
  if (body !== undefined) load.push('-b', `@${body}`);
  if (compress) load.push('--compress');
  const secure = /^(?:https|wss):/.test(url) ? ['--insecure', '--ciphers', CIPHER] : [];
  if (!keepAlive) load.push('--no-keepalive');
  if (!resume) load.push('--no-resume');
  return [
    'bench',
    ...load,
    ...secure,
    ...expect,
    '-d',
    `${Math.round(seconds * 1000)}ms`,
    '--json',
    url,
  ];
}

/** Runs the client and returns its figures in the shape of those of `wrk`. */
export async function bench(scenario, target, seconds) {
  let output;
  try {
    // A rate that the server does not reach and failed requests are results too.
    const args = benchArgs(scenario, target, seconds);
    output = (await exec(process.execPath, [PROGRAM, ...args, '--max-errors', '100%'])).stdout;
  } catch (error) {
    throw new Failure(`reactor-rs bench failed: ${error.stderr || error.message}`);
  }
  const result = JSON.parse(output);
  const { requests, durationMs, rate, latency, errors, openLoop, clientLoad, tls } = result;
  return {
    rate,
    requests,
    seconds: durationMs / 1e3,
    p50: latency.p50Ns / 1e3,
    p99: latency.p99Ns / 1e3,
    p999: latency.p999Ns / 1e3,
    max: latency.maxNs / 1e3,
    errors: errors.total,
    errorKinds: errors,
    clientLoad,
    ...(tls === null ? {} : { tls }),
    ...(openLoop === null
      ? {}
      : {
          reached: openLoop.reached,
          unsent: openLoop.unsent,
          sendDelayP99: openLoop.sendDelay.p99Ns / 1e3,
        }),
  };
}
