// One run of h2load, the HTTP/2 client of nghttp2.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from './failure.mjs';
import { CIPHER } from './tls.mjs';

const exec = promisify(execFile);

/** Its arguments for a load: connections, and streams that each has open at once. */
export function h2loadArgs(
  { threads = 1, connections, streams },
  { url, fields = {}, body },
  seconds,
) {
  return [
    ...['-t', threads, '-c', connections, '-m', streams].map(String),
    // No server waits for credit, whatever it does with a smaller window.
    ...['-w', '30', '-W', '30'],
    ...Object.entries(fields).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...(body === undefined ? [] : ['-d', body]),
    ...(url.startsWith('https:') ? ['--tls13-ciphers', CIPHER] : []),
    ...['-D', `${Math.round(seconds * 1000)}ms`, url],
  ];
}

/** How much longer a run may take. h2load at times does not notice that its time is over. */
const PATIENCE_MS = 10_000;

/** A run that did not end. It can be tried again. */
export class Stalled extends Failure {}

/**
 * Runs h2load and returns its figures in the shape of those of `wrk`. It prints no percentiles. What is
 * still under way at the end is not counted.
 */
export async function h2load(load, target, seconds) {
  let output;
  try {
    const timeout = Math.round(seconds * 1000) + PATIENCE_MS;
    const args = h2loadArgs(load, target, seconds);
    output = (await exec('h2load', args, { timeout, killSignal: 'SIGKILL' })).stdout;
  } catch (error) {
    if (error.killed) throw new Stalled('h2load did not end when its time was over');
    throw new Failure(`h2load failed: ${error.stderr || error.message}`);
  }
  return figuresOf(output, new URL(target.url).protocol === 'https:');
}

/** @throws {Failure} if it was not HTTP/2, or no request was answered */
export function figuresOf(output, isSecure) {
  const match = (pattern) => pattern.exec(output)?.slice(1) ?? [];
  const [protocol] = match(/^Application protocol: (.+)$/m);
  if (protocol !== (isSecure ? 'h2' : 'h2c')) {
    throw new Failure(`h2load spoke ${protocol ?? 'nothing'}, not HTTP/2: ${output}`);
  }
  const [time, unit] = match(/^finished in ([\d.]+)(us|ms|s),/m);
  const seconds = Number(time) * { us: 1e-6, ms: 1e-3, s: 1 }[unit];
  const counts = match(
    /^requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$/m,
  );
  const [requests, failed, errored, timeout] = counts.map(Number);
  // With a status from 400 up an answer has failed; 3xx have not, and none is expected.
  const [redirected] = match(/^status codes: \d+ 2xx, (\d+) 3xx,/m).map(Number);
  if (!(requests > 0)) throw new Failure(`h2load had no answer: ${output}`);
  const errors = { failed, errored, timeout, redirected };
  const [version] = match(/^TLS Protocol: (.+)$/m);
  return {
    rate: requests / seconds,
    requests,
    seconds,
    p50: null,
    p99: null,
    errors: Object.values(errors).reduce((sum, count) => sum + count, 0),
    errorKinds: errors,
    ...(version === undefined
      ? {}
      : { agreed: [version, ...match(/^Cipher: (.+)$/m), ...group(output)].join(', ') }),
  };
}

/** `X25519 253 bits` and `ECDH P-256 256 bits` without the bits. */
function group(output) {
  const [group] = /^Server Temp Key: (.+)$/m.exec(output)?.slice(1) ?? [];
  return group === undefined ? [] : [group.replace(/ \d+ bits$/, '')];
}
