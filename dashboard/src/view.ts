import type { History } from './history.js';

/** What all charts show. */
export interface View {
  readonly history: History;
  /** The last second of the time axis. */
  now: number;
  /** How many seconds the axis has. */
  seconds: number;
  /** The second that the reader points at. */
  cursor: number | null;
}

/** The second that the legends tell of; the latest with values where the reader points at none. */
export function shownSlot({ cursor, history, now }: View): number {
  // The axis stands still while the page is paused.
  return cursor ?? Math.min(history.last, now);
}
