import { availableParallelism } from 'node:os';
import { binding } from './binding.js';

/**
 * How many cores this process may use, by its affinity and by the CPU limits of its control groups.
 * Node considers the latter only in part.
 */
export function cores(): number {
  const most = availableParallelism();
  try {
    return Math.min(most, binding().availableCores());
  } catch {
    // Without a binding, starting a server tells what is wrong.
    return most;
  }
}
