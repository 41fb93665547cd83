import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { binding } from '../binding/binding.js';

/** The longest path of a unix socket (unix(7), sun_path). */
const MAX_PATH_BYTES = 107;

const SOCKET = /^(\d+)(-\d+)?\.sock$/;

/** How many names this thread has tried. */
let count = 0;

/**
 * A path for a new server's control socket in this user's runtime folder, which is made if it is
 * missing. Without a usable folder it warns and returns `undefined`. Sockets of dead servers are
 * removed.
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
  // Other threads may have used this name, and a process of another container may have this id.
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

/** The inodes of sockets that have taken a predecessor's place. */
const taken = new Map<string, number>();

/** A path beside that of a predecessor's control socket, which still listens there. */
export function besideControl(path: string): string {
  return join(dirname(path), `.${process.pid}`);
}

/** Puts a control socket in the place of the predecessor's. */
export function replaceControl(beside: string, path: string): void {
  renameSync(beside, path);
  taken.set(path, lstatSync(path).ino);
}

/** Removes the file of a control socket that was put there, unless another has replaced it since. */
export function removeControl(path: string): void {
  try {
    if (taken.get(path) === lstatSync(path).ino) {
      unlinkSync(path);
    }
  } catch {
    // It is gone.
  }
  taken.delete(path);
}

/** Warns why a server has no control socket. */
export function warnOfControl(why: string): void {
  console.error(`reactor-rs: no control socket: ${why}`);
}

/** The control sockets of this user's servers. Those of dead servers are removed. */
export async function controlPaths(): Promise<string[]> {
  const paths = runtimeFolders().filter(isUsable).flatMap(socketsIn);
  return paths.filter(isAlive);
}

/**
 * Folders for control sockets, the best first. Servers started by the system have no
 * `XDG_RUNTIME_DIR`, servers started by a user have one, so both places are searched.
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

/**
 * The folders that were searched, for a message. If REACTOR_RUNTIME_DIR names an unusable one, it
 * also says why.
 */
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

/** Makes the folder if it is missing. False if it cannot be used. */
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
 * Why a folder cannot be used; `undefined` if it can. Only this user may write to it. In /tmp
 * another user may have made a folder or link of this name first. Others may list the folder,
 * because the sockets themselves admit only their user.
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
 * Whether a server listens on the socket; if not, it is removed. The process id tells nothing:
 * other containers count their own.
 */
function isAlive(path: string): boolean {
  return binding().isSocketAlive(path);
}
