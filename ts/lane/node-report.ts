import {
  constants,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** What takes the numbers, and says after how many milliseconds it wants them again; 0 is never. */
interface Listener {
  tell(numbers: Uint8Array): number;
}

/**
 * The numbers that a thread tells of itself. `crates/server/src/observe/node.rs` has the same order:
 * heap used, total and limit, external memory, lag, active and idle time, then the collections. Sizes
 * are in bytes, times in microseconds.
 */
const COLLECTIONS = 7;

/** The kinds of garbage collections, in order. */
const KINDS = [
  constants.NODE_PERFORMANCE_GC_MINOR,
  constants.NODE_PERFORMANCE_GC_MAJOR,
  constants.NODE_PERFORMANCE_GC_INCREMENTAL,
  constants.NODE_PERFORMANCE_GC_WEAKCB,
];

/** Milliseconds that a collection may take, for each count. One more count has longer ones. */
const BOUNDS = [1, 10, 100, 1000, 2000, 5000];

/** The counts of a kind, and the time of all its collections. */
const PER_KIND = BOUNDS.length + 2;

/**
 * Tells the engine of this thread's heap, garbage collections and event loop: now, then every 5
 * seconds, and each second while a monitor watches. This takes some 10 µs. So the engine can say it
 * while the thread is stuck. It ends where nobody could ask, and when the lane has been closed.
 *
 * Returns what ends it.
 */
export function reportNode(lane: Listener): () => void {
  const numbers = new BigUint64Array(COLLECTIONS + KINDS.length * PER_KIND);
  const bytes = new Uint8Array(numbers.buffer);
  let timer: NodeJS.Timeout | undefined;
  let observer: PerformanceObserver | undefined;
  const end = () => {
    clearTimeout(timer);
    observer?.disconnect();
  };
  const tell = (due: number) => {
    const { used_heap_size, total_heap_size, heap_size_limit, external_memory } =
      getHeapStatistics();
    const { active, idle } = performance.eventLoopUtilization();
    const lag = Math.max(performance.now() - due, 0);
    const sizes = [used_heap_size, total_heap_size, heap_size_limit, external_memory];
    const times = [lag * 1e3, active * 1e3, idle * 1e3];
    numbers.set([...sizes, ...times].map((number) => BigInt(Math.max(Math.round(number), 0))));
    const pause = lane.tell(bytes);
    if (pause === 0) {
      end();
      return false;
    }
    timer = setTimeout(tell, pause, performance.now() + pause).unref();
    return true;
  };
  if (tell(performance.now())) {
    observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        count(numbers, entry);
      }
    });
    // Each collection costs an entry: nothing that shows, at 30 a second.
    observer.observe({ entryTypes: ['gc'] });
  }
  return end;
}

/** Counts a garbage collection. */
function count(numbers: BigUint64Array, entry: PerformanceEntry): void {
  const { duration, detail } = entry as PerformanceEntry & { detail: { kind: number } };
  const kind = KINDS.indexOf(detail.kind);
  if (kind < 0) {
    return;
  }
  const within = BOUNDS.findIndex((bound) => duration <= bound);
  const from = COLLECTIONS + kind * PER_KIND;
  const place = from + (within < 0 ? BOUNDS.length : within);
  numbers[place] = (numbers[place] as bigint) + 1n;
  const sum = from + PER_KIND - 1;
  numbers[sum] = (numbers[sum] as bigint) + BigInt(Math.round(duration * 1e3));
}
