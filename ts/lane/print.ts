import { format } from 'node:util';
import type { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { Exchange } from './exchange.js';

/**
 * Prints the error of a handler, for programs without an error handler. Never throws, because the
 * rest of the batch comes after it.
 */
export function print(error: unknown, { method, url }: Exchange): void {
  // The URL is an argument, not part of the format: it comes from the client.
  const text = 'reactor-rs: the handler failed for %s %s:';
  try {
    console.error(text, method, inspect(url), error);
  } catch {
    // The error's own inspection threw, or a console that the program has replaced.
    process.stderr.write(
      format(`${text} %s\n`, method, inspect(url), 'an error that cannot be shown'),
    );
  }
}

/** Prints the error of a handler of a WebSocket whose request is not known. */
export function printSocketError(error: unknown): void {
  try {
    console.error('reactor-rs: a handler of a WebSocket failed:', error);
  } catch {
    process.stderr.write('reactor-rs: a handler of a WebSocket failed\n');
  }
}

/**
 * Prints why the engine refused a response. The exchange is over, so the error handler cannot
 * answer.
 */
export function printUnsendable(error: ReactorError): void {
  try {
    console.error('reactor-rs: a response could not be sent, and 500 was:', error);
  } catch {
    // A console that the program has replaced threw.
    process.stderr.write(`reactor-rs: a response could not be sent: ${error.message}\n`);
  }
}
