import { printable } from '../output.js';

/** Why a control socket did not answer. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = {
    ENOENT: 'there is no such file',
    ECONNREFUSED: 'no process listens on it',
    EACCES: 'permission denied',
    ENOTSOCK: 'it is no socket',
  };
  // Messages of the HTTP parser may quote bytes of the answer.
  return known[code as keyof typeof known] ?? printable(message);
}
