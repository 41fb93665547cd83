import { argumentError } from '../errors.js';

/** The greatest error code that Node takes. */
const MOST_CODE = 2 ** 31 - 1;

/** Refuses what is no object, as Node does. */
export function assertObject(value: unknown, name: string, kinds = 'of type object'): void {
  if (value !== undefined && (value === null || typeof value !== 'object' || isArray(value))) {
    throw wrongType(`The "${name}" argument must be ${kinds}.`, value);
  }
}

/** Checks the arguments of a stream's `close` as Node does. */
export function checkClose(code: unknown, callback: unknown): void {
  if (typeof code !== 'number') {
    throw wrongType('The "code" argument must be of type number.', code);
  }
  if (!Number.isInteger(code) || code < 0 || code > MOST_CODE) {
    const range = Number.isInteger(code) ? `>= 0 && <= ${MOST_CODE}` : 'an integer';
    const what = `The value of "code" is out of range. It must be ${range}.`;
    throw argumentError(RangeError as ErrorConstructor, 'ERR_OUT_OF_RANGE', what, code);
  }
  if (callback !== undefined && typeof callback !== 'function') {
    throw wrongType('The "callback" argument must be of type function.', callback);
  }
}

function wrongType(what: string, given: unknown): Error {
  return argumentError(TypeError as ErrorConstructor, 'ERR_INVALID_ARG_TYPE', what, given);
}

const { isArray } = Array;
