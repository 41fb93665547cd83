import { availableParallelism } from 'node:os';
import { binding } from './binding.js';

/**
 * Cores that this process may use: by its affinity, and by the CPU time that its control
 * group and those around it may have. Node counts the latter in part.
 */
export function cores(): number {
  const most = availableParallelism();
  try {
    return Math.min(most, binding().availableCores());
  } catch {
    // Where there is no binding, a server says so when it is started.
    return most;
  }
}
