import { readlinkSync, statSync } from 'node:fs';

/** The state of a file that is not there. */
export const MISSING = 'missing';

/** A text that tells a file as it is now from any other, and from itself after a change. */
export function stateOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? MISSING : String(code);
  }
}

/** Where a symbolic link leads; {@link MISSING} if there is no such link. */
export function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return MISSING;
  }
}
