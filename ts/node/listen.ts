import { inspect } from 'node:util';
import { isAbortSignal } from '../fetch/genuine.js';
import { argumentError } from './errors.js';

/** Where to listen, according to the arguments of `listen`. */
export interface Where {
  readonly port?: number;
  readonly hostname?: string;
  readonly unix?: string;
  /** Permissions of the socket's file beyond those that the umask leaves. */
  readonly unixModeAdds?: number;
  readonly ipv6Only?: boolean;
  /** In a worker of node:cluster this process listens, and not the primary. */
  readonly exclusive?: boolean;
  /** Other processes may listen on the port too. */
  readonly reusePort?: boolean;
  /** A descriptor of this process. */
  readonly fd?: number;
  readonly backlog?: number;
  readonly signal?: AbortSignal;
}

/**
 * Reads the arguments of `server.listen` in all forms that Node documents, and refuses what Node
 * refuses. Of a handle only the descriptor counts.
 */
export function readListenArguments(given: readonly unknown[]): {
  where: Where;
  callback: (() => void) | undefined;
} {
  const last = given[given.length - 1];
  const callback = typeof last === 'function' ? (last as () => void) : undefined;
  const args = callback === undefined ? given : given.slice(0, -1);
  const [first, second, third] = args;
  if (typeof first === 'object' && first !== null) {
    return { where: fromOptions(first as Record<string, unknown>), callback };
  }
  if (typeof first === 'string' && !isPort(first)) {
    // Node's interpretation of text that is neither a port nor a path.
    const where = first.trim() === '' ? { port: portOf(first) } : { unix: first };
    return { where: withBacklog(where, second), callback };
  }
  if (first !== undefined && typeof first !== 'function' && !isPortLike(first) && first !== null) {
    throw invalidOptions({ port: first });
  }
  const port = portOf(typeof first === 'function' ? undefined : first);
  const hostname = typeof second === 'string' && second !== '' ? { hostname: second } : {};
  return { where: withBacklog({ port, ...hostname }, backlogOf(second) ?? third), callback };
}

/** `listen(0, 10)`: a number in the host's position is the backlog. */
function backlogOf(second: unknown): number | undefined {
  return typeof second === 'string' && isPort(second)
    ? Number(second)
    : typeof second === 'number'
      ? second
      : undefined;
}

function fromOptions(options: Record<string, unknown>): Where {
  const { port, host, path, backlog, signal } = options;
  const asked = signalOf(signal);
  const fd = descriptorOf(options);
  if (fd !== undefined) {
    return withBacklog({ fd, ...asked }, backlog);
  }
  const exclusive = options.exclusive === true ? { exclusive: true } : {};
  // A port that is present but undefined or null is any port. A port wins over a path.
  const hasPort = port === undefined || port === null ? port === null || 'port' in options : true;
  if (hasPort) {
    if (port !== undefined && port !== null && !isPortLike(port)) {
      throw invalidOptions(options);
    }
    const number = portOf(port);
    if (host !== undefined && host !== null && host !== '' && typeof host !== 'string') {
      throw argumentError(
        TypeError,
        'ERR_INVALID_ARG_TYPE',
        'The "hostname" argument must be of type string.',
        host,
      );
    }
    const hostname = typeof host === 'string' && host !== '' ? { hostname: host } : {};
    const family = options.ipv6Only === true ? { ipv6Only: true } : {};
    const reusePort = options.reusePort === true ? { reusePort: true } : {};
    return withBacklog(
      { port: number, ...hostname, ...family, ...exclusive, ...reusePort, ...asked },
      backlog,
    );
  }
  if (typeof path === 'string' && path.trim() !== '') {
    return withBacklog({ unix: path, ...modeOf(options), ...exclusive, ...asked }, backlog);
  }
  throw invalidOptions(options);
}

function isPortLike(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'string';
}

/** As libuv's uv_pipe_chmod does: read and write permission, each for everyone. */
function modeOf({ readableAll, writableAll }: Record<string, unknown>): { unixModeAdds?: number } {
  const mode = (readableAll === true ? 0o444 : 0) | (writableAll === true ? 0o222 : 0);
  return mode === 0 ? {} : { unixModeAdds: mode };
}

function withBacklog(where: Where, backlog: unknown): Where {
  return typeof backlog === 'number' && backlog > 0 ? { ...where, backlog } : where;
}

function signalOf(signal: unknown): { signal?: AbortSignal } {
  if (signal === undefined) {
    return {};
  }
  if (!isAbortSignal(signal)) {
    const what = 'The "options.signal" property must be an instance of AbortSignal.';
    throw argumentError(TypeError, 'ERR_INVALID_ARG_TYPE', what, signal);
  }
  return { signal };
}

/** The descriptor in `{ fd }`, or that of a handle, server or socket of Node's. */
function descriptorOf(options: Record<string, unknown>): number | undefined {
  const handle = (options._handle ?? options) as { fd?: unknown };
  const { fd } = handle;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** A number as text is a port too, as in `process.env.PORT`. */
function isPort(text: string): boolean {
  return text.trim() !== '' && Number(text) >= 0;
}

function portOf(given: unknown): number {
  if (given === undefined || given === null) {
    return 0;
  }
  const isNumeric = typeof given === 'number' || (typeof given === 'string' && isPort(given));
  const port = isNumeric ? Number(given) : Number.NaN;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    const received = `Received type ${typeof given} (${inspect(given)}).`;
    throw Object.assign(new RangeError(`options.port should be >= 0 and < 65536. ${received}`), {
      code: 'ERR_SOCKET_BAD_PORT',
    });
  }
  return port;
}

function invalidOptions(options: Record<string, unknown>): Error {
  const why =
    'port' in options || 'path' in options
      ? "The argument 'options' is invalid."
      : 'The argument \'options\' must have the property "port" or "path".';
  return argumentError(TypeError, 'ERR_INVALID_ARG_VALUE', why, options);
}
