import { binding, type NativeBench } from '../binding/binding.js';
import { fromNative } from '../errors/errors.js';
import { type ResolvedBench, resolveBench } from './options.js';
import type { BenchOptions, BenchProgress, BenchResult } from './types.js';

/** Milliseconds between two calls of `onProgress`. */
const PROGRESS_MS = 500;

/**
 * Loads an HTTP, HTTPS or WebSocket server and resolves to the result. The client is native and runs on threads of
 * its own; JavaScript is not involved until it ends.
 *
 * Failed requests are counted, not thrown.
 *
 * @param url `http://`, `https://`, `ws://` or `wss://`; the whole of it is the request
 * @throws {ReactorError} (as a rejection) with one of these codes. If `signal` aborts, the
 * rejection is its reason.
 *
 * - `ERR_REACTOR_INVALID_OPTION` and `ERR_REACTOR_UNKNOWN_OPTION`: an option is wrong
 * - `ERR_REACTOR_TLS`: a certificate or a key of the client is wrong
 * - `ERR_REACTOR_HOST_NOT_FOUND` and `ERR_REACTOR_CONNECT`: there is no server at the start, or a TLS
 *   handshake with it fails
 * - `ERR_REACTOR_BENCH`: the system refused it
 *
 * @example
 * const { rate, latency } = await bench('http://127.0.0.1:8080/', { duration: 2000 });
 * console.log(`${Math.round(rate)} requests/s, p99 ${latency.p99Ns / 1e6} ms`);
 */
export async function bench(url: string | URL, options: BenchOptions = {}): Promise<BenchResult> {
  const resolved = resolveBench(url, options);
  const { signal, onProgress } = resolved;
  signal?.throwIfAborted();
  const run = await startBench(resolved);
  const onAbort = () => run.stop();
  signal?.addEventListener('abort', onAbort);
  // It may have aborted during the name lookup.
  if (signal?.aborted) {
    run.stop();
  }
  const ticks = onProgress && setInterval(() => onProgress(run.progress()), PROGRESS_MS);
  try {
    const result = await run.result;
    signal?.throwIfAborted();
    return result;
  } finally {
    clearInterval(ticks);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** A run under way. */
export interface BenchRun {
  /** Resolves when the run has ended. */
  readonly result: Promise<BenchResult>;
  progress(): BenchProgress;
  /** Ends the run now; `result` has what was counted until then. */
  stop(): void;
}

/** Starts a run with checked options. */
export async function startBench({ url, native, settings }: ResolvedBench): Promise<BenchRun> {
  let run: NativeBench;
  try {
    run = await binding().startBench(native);
  } catch (error) {
    throw fromNative(error);
  }
  const result = run.result().then(
    (report) => ({ url, settings, ...JSON.parse(report) }) as BenchResult,
    (error: unknown) => {
      throw fromNative(error);
    },
  );
  return {
    result,
    progress: () => JSON.parse(run.progress()) as BenchProgress,
    stop: () => run.stop(),
  };
}
