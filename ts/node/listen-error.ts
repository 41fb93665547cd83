import { existsSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { fromNative, ReactorError } from '../errors/errors.js';
import { nodeError } from './errors.js';
import type { Where } from './listen.js';

export function isInUse(error: unknown): boolean {
  return (fromNative(error) as NodeJS.ErrnoException).code === 'ERR_REACTOR_ADDRESS_IN_USE';
}

/** The codes that programs for Node expect. */
const SYSTEM_CODES: Readonly<Record<string, string>> = {
  ERR_REACTOR_ADDRESS_IN_USE: 'EADDRINUSE',
  ERR_REACTOR_ADDRESS_NOT_AVAILABLE: 'EADDRNOTAVAIL',
  ERR_REACTOR_PERMISSION: 'EACCES',
  ERR_REACTOR_HOST_NOT_FOUND: 'ENOTFOUND',
  ERR_REACTOR_DESCRIPTOR: 'EINVAL',
};

/** Node's error for it, with the engine's error as its cause. */
export function listenError(error: unknown, where: Where): unknown {
  const code = error instanceof ReactorError ? codeOf(error, where) : undefined;
  if (code === undefined) {
    return error;
  }
  const { message } = error as Error;
  const errno = errnoOf(code);
  if (code === 'ENOTFOUND') {
    const details = { errno, syscall: 'getaddrinfo', hostname: where.hostname, cause: error };
    return nodeError(code, `getaddrinfo ${code} ${where.hostname}: ${message}`, details);
  }
  const details = { errno, syscall: 'listen', cause: error };
  if (where.fd !== undefined) {
    return nodeError(code, `listen ${code}: ${message}`, { address: null, ...details });
  }
  const address = where.unix ?? where.hostname ?? '::';
  // Node reports -1 if there is no port, and nothing for port 0.
  const port = where.unix !== undefined ? { port: -1 } : where.port ? { port: where.port } : {};
  return nodeError(code, `listen ${code}: ${message}`, { ...details, address, ...port });
}

function codeOf({ code }: ReactorError, { unix }: Where): string | undefined {
  if (code !== 'ERR_REACTOR_SOCKET_PATH' || unix === undefined) {
    return SYSTEM_CODES[code];
  }
  // libuv reports EACCES for a missing folder, and EINVAL for a path that is too long.
  return existsSync(unix)
    ? 'EADDRINUSE'
    : Buffer.byteLength(unix) > MOST_PATH
      ? 'EINVAL'
      : 'EACCES';
}

/** The longest path of a unix socket: `sun_path` without its final zero. */
const MOST_PATH = 107;

/** libuv's own number; the system has none. */
const EAI_NONAME = -3008;

function errnoOf(code: string): number | undefined {
  if (code === 'ENOTFOUND') {
    return EAI_NONAME;
  }
  for (const [errno, [name]] of getSystemErrorMap()) {
    if (name === code) {
      return errno;
    }
  }
  return undefined;
}
