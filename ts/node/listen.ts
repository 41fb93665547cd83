import { isAbortSignal } from '../genuine.js';
import { nodeError } from './errors.js';

/** Where to listen, as `listen` was told. */
export interface Where {
  readonly port?: number;
  readonly hostname?: string;
  readonly unix?: string;
  /** Permissions that the socket's file has besides those that the umask leaves. */
  readonly unixModeAdds?: number;
  readonly ipv6Only?: boolean;
  /** A descriptor that the process has. */
  readonly fd?: number;
  readonly backlog?: number;
  readonly signal?: AbortSignal;
}

/**
 * Reads the arguments of `server.listen` in all the forms that Node documents. Of a
 * handle it is the descriptor that counts.
 */
export function readListenArguments(given: readonly unknown[]): {
  where: Where;
  callback: (() => void) | undefined;
} {
  const last = given[given.length - 1];
  const callback = typeof last === 'function' ? (last as () => void) : undefined;
  const [first, ...rest] = given.filter((value) => typeof value !== 'function');
  if (typeof first === 'object' && first !== null) {
    return { where: fromOptions(first as Record<string, unknown>), callback };
  }
  if (typeof first === 'string' && !isPort(first)) {
    return { where: withBacklog({ unix: first }, rest[0]), callback };
  }
  const hostname = rest.find((value) => typeof value === 'string');
  const backlog = rest.find((value) => typeof value === 'number');
  const where = { port: portOf(first), ...(hostname === undefined ? {} : { hostname }) };
  return { where: withBacklog(where as Where, backlog), callback };
}

function fromOptions(options: Record<string, unknown>): Where {
  const { port, host, path, backlog, signal } = options;
  const fd = descriptorOf(options);
  if (fd !== undefined) {
    return withBacklog({ fd, ...signalOf(signal) }, backlog);
  }
  if (typeof path === 'string' && port === undefined) {
    return withBacklog({ unix: path, ...modeOf(options), ...signalOf(signal) }, backlog);
  }
  if (port === undefined && !('port' in options) && path === undefined) {
    throw nodeError(
      'ERR_INVALID_ARG_VALUE',
      'The argument \'options\' must have the property "port" or "path"',
    );
  }
  const hostname = typeof host === 'string' && host !== '' ? { hostname: host } : {};
  const family = options.ipv6Only === true ? { ipv6Only: true } : {};
  return withBacklog({ port: portOf(port), ...hostname, ...family, ...signalOf(signal) }, backlog);
}

/** As libuv's uv_pipe_chmod: reading and writing, each for everybody. */
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
    throw nodeError('ERR_INVALID_ARG_TYPE', 'options.signal must be an AbortSignal');
  }
  return { signal };
}

/** The descriptor of `{ fd }`, and of a handle, a server or a socket of Node's. */
function descriptorOf(options: Record<string, unknown>): number | undefined {
  const handle = (options._handle ?? options) as { fd?: unknown };
  const { fd } = handle;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** A number in a string is a port too: it is what `process.env.PORT` is. */
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
    throw Object.assign(
      new RangeError(`options.port should be >= 0 and < 65536. Received ${String(given)}.`),
      { code: 'ERR_SOCKET_BAD_PORT' },
    );
  }
  return port;
}
