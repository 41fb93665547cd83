import { accessSync, constants, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { binding } from '../binding/binding.js';

/** The longest path that a unix socket can have (unix(7), sun_path). */
const MAX_PATH_BYTES = 107;

const SOCKET = /^(\d+)(-\d+)?\.sock$/;

/** Names that this thread has tried. */
let count = 0;

/**
 * A path for a further server's control socket in this user's runtime folder, which
 * is made if it is not there; `undefined` where none can be had, which is said. Sockets that dead servers left behind are removed.
 */
export async function newControlPath(): Promise<string | undefined> {
  const folder = runtimeFolders().find(isOurs);
  if (folder === undefined) {
    const { REACTOR_RUNTIME_DIR: own } = process.env;
    const refused = runtimeFolders().map((it) => `"${it}" cannot be used: ${refusalOf(it)}`);
    warnOfControl(
      own
        ? `REACTOR_RUNTIME_DIR ${refused.join()}`
        : `${refused.join('; ')}; name another folder in REACTOR_RUNTIME_DIR, or turn control off`,
    );
    return undefined;
  }
  socketsIn(folder).forEach(isAlive);
  // Other threads, and processes of other containers, may have this number too.
  let path: string;
  do {
    count++;
    path = join(folder, `${process.pid}${count === 1 ? '' : `-${count}`}.sock`);
  } while (existsSync(path));
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    warnOfControl(`a socket's path has at most ${MAX_PATH_BYTES} bytes, and "${path}" has more`);
    return undefined;
  }
  return path;
}

/** Says why a server that was to have a control socket goes without. */
export function warnOfControl(why: string): void {
  console.error(`reactor-rs: no control socket: ${why}`);
}

/** The control sockets of this user's servers; those of dead ones are removed. */
export async function controlPaths(): Promise<string[]> {
  const paths = runtimeFolders().filter(isUsable).flatMap(socketsIn);
  return paths.filter(isAlive);
}

/**
 * Where control sockets may be, the best place first. Servers that the system starts
 * have no `XDG_RUNTIME_DIR`, those that a user starts have one: both are looked for.
 */
function runtimeFolders(): string[] {
  const { REACTOR_RUNTIME_DIR: own, XDG_RUNTIME_DIR: runtime } = process.env;
  if (own) {
    return [own];
  }
  return [
    ...(runtime ? [join(runtime, 'reactor-rs')] : []),
    `/tmp/reactor-rs-${process.getuid?.() ?? 0}`,
  ];
}

/** Where control sockets are looked for, for a message; and why not, where that was named. */
export function lookedIn(): string {
  const { REACTOR_RUNTIME_DIR: own } = process.env;
  const why = own ? refusalOf(own) : undefined;
  return `${runtimeFolders().join(' and ')}${why === undefined ? '' : `: ${why}`}`;
}

function socketsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => SOCKET.test(name))
    .map((name) => join(folder, name));
}

/** Makes a folder if it is not there. False where it is of no use. */
function isOurs(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      return false;
    }
  }
  return isUsable(folder);
}

function isUsable(folder: string): boolean {
  return refusalOf(folder) === undefined;
}

/**
 * Why a folder is not used. Nobody else may put anything in: /tmp belongs to everybody,
 * and who comes first may have made a folder or a link of this name. Others may look in,
 * since the sockets are for their user alone.
 */
function refusalOf(folder: string): string | undefined {
  try {
    const stat = lstatSync(folder);
    if (!stat.isDirectory()) {
      return 'it is no folder, or a link';
    }
    if (stat.uid !== process.getuid?.()) {
      return 'it belongs to another user';
    }
    if ((stat.mode & 0o022) !== 0) {
      return 'others can write to it';
    }
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'it is not there' : `permission denied (${code})`;
  }
}

/**
 * False if nobody listens on a socket any more; then it is removed. Not by the process's
 * number: another container may have another count.
 */
function isAlive(path: string): boolean {
  return binding().isSocketAlive(path);
}
