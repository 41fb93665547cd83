import { argumentError } from './errors.js';

/** Checks the argument of `setTimeout` as Node does. */
export function checkTime(milliseconds: unknown): void {
  if (typeof milliseconds !== 'number') {
    const what = 'The "msecs" argument must be of type number.';
    throw argumentError(TypeError, 'ERR_INVALID_ARG_TYPE', what, milliseconds);
  }
  if (!(milliseconds >= 0 && Number.isFinite(milliseconds))) {
    const what = 'The value of "msecs" is out of range. It must be a non-negative finite number.';
    throw argumentError(RangeError, 'ERR_OUT_OF_RANGE', what, milliseconds);
  }
}
