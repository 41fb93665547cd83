import { accessSync, constants, lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/** The longest path that a unix socket can have (unix(7), sun_path). */
const MAX_PATH_BYTES = 107;

const SOCKET = /^(\d+)(-\d+)?\.sock$/;

/** Control sockets that this process has been given. */
let count = 0;

/**
 * A path for a further server's control socket in this user's runtime folder, which
 * is made if it is not there; `undefined` where none can be had. Sockets that dead
 * servers left behind are removed.
 */
export async function newControlPath(): Promise<string | undefined> {
  const folder = runtimeFolders().find(isOurs);
  if (folder === undefined) {
    return undefined;
  }
  await Promise.all(socketsIn(folder).map(removeIfDead));
  count++;
  const path = join(folder, `${process.pid}${count === 1 ? '' : `-${count}`}.sock`);
  return Buffer.byteLength(path) <= MAX_PATH_BYTES ? path : undefined;
}

/** The control sockets of this user's servers; those of dead ones are removed. */
export async function controlPaths(): Promise<string[]> {
  const paths = runtimeFolders().filter(isThere).flatMap(socketsIn);
  const alive = await Promise.all(paths.map(removeIfDead));
  return paths.filter((_, index) => alive[index]);
}

/**
 * Where control sockets may be, the best place first. Servers that the system starts
 * have no `XDG_RUNTIME_DIR`, those that a user starts have one: both are looked for.
 */
export function runtimeFolders(): string[] {
  const { REACTOR_RUNTIME_DIR: own, XDG_RUNTIME_DIR: runtime } = process.env;
  if (own) {
    return [own];
  }
  return [
    ...(runtime ? [join(runtime, 'reactor-rs')] : []),
    `/tmp/reactor-rs-${process.getuid?.() ?? 0}`,
  ];
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
  return isThere(folder);
}

/**
 * Whether a folder is there and nobody else can put anything in: /tmp belongs to
 * everybody, and who comes first may have made a folder or a link of this name.
 */
function isThere(folder: string): boolean {
  try {
    const stat = lstatSync(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
    return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** False if nobody listens on a socket any more; then it is removed. */
function removeIfDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Not by the process's number: another container may have another count.
      if (error.code === 'ECONNREFUSED') {
        try {
          unlinkSync(path);
        } catch {
          // Somebody else was quicker.
        }
      }
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
