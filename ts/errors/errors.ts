/** Every code that an error of this package can have. Codes are stable; messages are not. */
export const ERROR_CODES = {
  ERR_REACTOR_INVALID_OPTION:
    'An option has the wrong type, is out of range or contradicts another.',
  ERR_REACTOR_UNKNOWN_OPTION: 'An option has a name that does not exist.',
  ERR_REACTOR_INVALID_ROUTE:
    'A route has a bad pattern, status, header or body, or names files that are not there.',
  ERR_REACTOR_INVALID_RESPONSE: 'A handler answered with something that cannot be sent.',
  ERR_REACTOR_BODY_TOO_LARGE: 'A request body is larger than `limits.body` allows (413).',
  ERR_REACTOR_BODY_TIMEOUT: 'A request body came slower than `timeouts.body` allows (408).',
  ERR_REACTOR_BODY_INVALID: 'A request body is not framed as HTTP has it (400).',
  ERR_REACTOR_BODY_REFUSED: 'The server has no room for the rest of a request body (503).',
  ERR_REACTOR_ADDRESS_IN_USE: 'Another socket is bound to the address.',
  ERR_REACTOR_ADDRESS_NOT_AVAILABLE: 'The address does not belong to this machine.',
  ERR_REACTOR_PERMISSION: 'The process may not bind the address or socket path.',
  ERR_REACTOR_HOST_NOT_FOUND: 'The host name does not resolve.',
  ERR_REACTOR_DESCRIPTOR: 'The descriptor that was given is no socket that can listen.',
  ERR_REACTOR_SOCKET_PATH: 'The unix socket path cannot be used.',
  ERR_REACTOR_TLS: 'A certificate, a key or another setting of TLS cannot be used.',
  ERR_REACTOR_LOG: 'The access log cannot be opened.',
  ERR_REACTOR_START: 'The server could not start for another reason.',
  ERR_REACTOR_CONNECT: 'No address of the server to load takes a connection.',
  ERR_REACTOR_BENCH: 'The load client could not start or go on for want of threads or files.',
  ERR_REACTOR_PUBSUB: 'The broker of `pubsub` cannot be reached, or has refused something.',
  ERR_REACTOR_MODULE: 'The module to serve cannot be loaded, or exports no handler.',
  ERR_REACTOR_THREAD: 'A JavaScript thread has ended by itself.',
  ERR_REACTOR_WEBSOCKET: 'A WebSocket is closed, so nothing can be sent.',
  ERR_REACTOR_STOPPED: 'The server has been stopped.',
  ERR_REACTOR_UNSUPPORTED: 'Something that node:http has and this server does not.',
  ERR_REACTOR_PLATFORM: 'There is no native binding for this platform.',
  ERR_REACTOR_BINDING: 'The native binding is missing, has another version or cannot be loaded.',
} as const satisfies Record<string, string>;

/** A stable error code, see {@link ERROR_CODES}. */
export type ReactorErrorCode = keyof typeof ERROR_CODES;

/** Every failure of this package: one clear line, and a stable `code`. */
export class ReactorError extends Error {
  /** Stable, for programs. */
  readonly code: ReactorErrorCode;

  constructor(code: ReactorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  static {
    // On the prototype, so that not every error has it as an own property.
    Object.defineProperty(ReactorError.prototype, 'name', { value: 'ReactorError' });
  }
}

/**
 * The ReactorError for an error of the native binding. Expected errors have a code of this package.
 * Any other is a defect, and is returned unchanged.
 */
export function fromNative(error: unknown): unknown {
  if (error instanceof Error && 'code' in error && isCode(error.code)) {
    return new ReactorError(error.code, error.message, { cause: error });
  }
  return error;
}

function isCode(code: unknown): code is ReactorErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}
