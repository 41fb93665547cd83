import { inspect } from 'node:util';

/** An error as Node makes it: programs check its `code`. */
export function nodeError(code: string, message: string, details: object = {}): Error {
  return Object.assign(new Error(message), { code }, details);
}

/** An error about an argument, with Node's message. */
export function argumentError(
  Class: ErrorConstructor,
  code: string,
  what: string,
  given: unknown,
): Error {
  const isObject = typeof given === 'object' || given === undefined;
  const isPlain = isObject || code === 'ERR_OUT_OF_RANGE';
  const shown = isPlain ? inspect(given) : `type ${typeof given} (${inspect(given)})`;
  return Object.assign(new Class(`${what} Received ${shown}`), { code });
}

/** The error that destroys a request whose client has left. */
export function connectionReset(): Error {
  return nodeError('ECONNRESET', 'aborted');
}

const warned = new Set<string>();

/**
 * Warns once that the program uses something that `node:http` has and this server does not. It is
 * no error, since frameworks and libraries often touch such things without needing them.
 */
export function warnUnsupported(topic: string, message: string): void {
  if (warned.has(topic)) {
    return;
  }
  warned.add(topic);
  process.emitWarning(message, { type: 'ReactorWarning', code: 'ERR_REACTOR_UNSUPPORTED' });
}
