import { ReactorError } from '../errors/errors.js';

/** A listening socket that a service manager has opened (sd_listen_fds(3)). */
export interface PassedSocket {
  readonly fd: number;
  /** As `FileDescriptorName=` of the socket unit names it; empty if it has none. */
  readonly name: string;
}

/** The first descriptor that is passed. */
const FIRST = 3;

/** More than a server can have listeners. */
const MOST = 64;

/** Tells a successor of this process the names, since only the first process is given the sockets. */
const NAMES = 'REACTOR_SOCKET_NAMES';

let passed: readonly PassedSocket[] | undefined;

/**
 * The sockets that a service manager has passed to this process. The variables are removed, so that
 * children do not take the sockets for theirs.
 * @throws {ReactorError} if the variables make no sense
 */
export function passedSockets(): readonly PassedSocket[] {
  passed ??= take(process.env);
  return passed;
}

/** What tells a successor of this process of the sockets. It has them from this process. */
export function passedOn(): Record<string, string> {
  return passed === undefined || passed.length === 0
    ? {}
    : { [NAMES]: passed.map(({ name }) => name).join(':') };
}

/** The sockets that these variables tell of. Those for another process are left alone. */
export function take(env: NodeJS.ProcessEnv): PassedSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names = '' } = env;
  const left = env[NAMES];
  delete env[NAMES];
  if (pid === undefined || Number(pid) !== process.pid) {
    // Which descriptors they are, the predecessor tells with the sockets.
    return left === undefined ? [] : socketsOf(left.split(':').length, left);
  }
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']) {
    delete env[name];
  }
  if (count === undefined || !/^\d+$/.test(count) || Number(count) > MOST) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the environment variable LISTEN_FDS must be a number from 0 to ${MOST}, got ${JSON.stringify(count)}`,
    );
  }
  return socketsOf(Number(count), names);
}

function socketsOf(count: number, names: string): PassedSocket[] {
  const all = names.split(':');
  return Array.from({ length: count }, (_, at) => ({ fd: FIRST + at, name: all[at] ?? '' }));
}

/** Whether a socket is the one for metrics. */
export function isForMetrics({ name }: PassedSocket): boolean {
  return name === 'metrics';
}

/** Whether connections of a socket are secured, by its name. */
export function isForTls({ name }: PassedSocket): boolean {
  return name === 'https' || name === 'tls';
}

/** The descriptors that a command line of `serve` names as its listeners. */
export function namedDescriptors(args: readonly string[], env: NodeJS.ProcessEnv): number[] {
  const { REACTOR_FD: fds = '', REACTOR_LISTEN: listen = '' } = env;
  const flags = args.flatMap((arg, at) => {
    const value = /^--fd=(.*)$/.exec(arg)?.[1] ?? (args[at - 1] === '--fd' ? arg : '');
    return [...value.split(','), placeOf(arg.replace(/^--listen=/, ''))];
  });
  const all = [...flags, ...fds.split(','), ...listen.split(',').map(placeOf)];
  return [...new Set(all.filter((one) => /^\d+$/.test(one)).map(Number))];
}

/** The descriptor in `fd:3` or `https://fd:3`; empty in other text. */
function placeOf(text: string): string {
  return /^(?:https?:\/\/)?fd:(\d+)$/.exec(text)?.[1] ?? '';
}
