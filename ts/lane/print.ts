import { format } from 'node:util';
import type { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { Exchange } from './exchange.js';

/**
 * Where the program has no error handler, its errors must not vanish. It never
 * throws: the rest of a batch waits behind it.
 */
export function print(error: unknown, { method, url }: Exchange): void {
  // Not in the format: the URL is the client's.
  const text = 'reactor-rs: the handler failed for %s %s:';
  try {
    console.error(text, method, inspect(url), error);
  } catch {
    // The error's own inspection, or a console that the program has replaced.
    process.stderr.write(
      format(`${text} %s\n`, method, inspect(url), 'an error that cannot be shown'),
    );
  }
}

/** The exchange is over, so that its handler's errors go elsewhere; but it must not vanish. */
export function printUnsendable(error: ReactorError): void {
  try {
    console.error('reactor-rs: a response could not be sent, and 500 was:', error);
  } catch {
    // A console that the program has replaced.
    process.stderr.write(`reactor-rs: a response could not be sent: ${error.message}\n`);
  }
}
