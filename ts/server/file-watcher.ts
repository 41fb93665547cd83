import { type FSWatcher, realpathSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** How long the files must stay the same before they are read, in milliseconds. */
const QUIET_MS = 200;

/** A folder may be busy with other files: how long its events are gathered, in milliseconds. */
const GATHER_MS = 50;

/** A file that changes all the time is read after this many looks. */
const MOST_LOOKS = 25;

/** How often the files are looked at, since a file system may tell nothing: in milliseconds. */
const POLL_MS = 15_000;

/**
 * Tells when files have changed. It follows them through renames and through symbolic links that are
 * swapped, as Kubernetes does with folders of secrets. It keeps no process alive.
 */
export class FileWatcher {
  readonly #onChange: () => void;
  #files: readonly string[] = [];
  readonly #folders = new Map<string, FSWatcher>();
  readonly #poll: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;
  /** What the files were like when they were last read, and at the last look. */
  #known = '';
  #seen = '';
  #looks = 0;

  /** @param onChange is called once the files have stayed the same for a moment */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#poll = setInterval(() => this.#look(), POLL_MS).unref();
  }

  /**
   * Watches these files in place of those before. They may have changed since they were read, so
   * they are read once more at the next look.
   */
  watch(files: readonly string[]): void {
    this.#files = files;
    this.#known = '';
    this.#watchFolders();
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    for (const watcher of this.#folders.values()) {
      watcher.close();
    }
    this.#folders.clear();
  }

  /** Something has happened in a folder. */
  #lookSoon(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#look();
    }, GATHER_MS).unref();
  }

  #look(): void {
    if (this.#timer === undefined && this.#state() !== this.#known) {
      this.#looks = 0;
      this.#wait();
    }
    this.#watchFolders();
  }

  #wait(): void {
    this.#seen = this.#state();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#looks++;
      if (this.#state() !== this.#seen && this.#looks < MOST_LOOKS) {
        this.#wait();
        return;
      }
      // Before the files are read: what comes later is a change.
      this.#known = this.#seen;
      this.#watchFolders();
      this.#onChange();
    }, QUIET_MS).unref();
  }

  /** What tells apart the files as they are from any other. */
  #state(): string {
    return this.#files.map(stateOf).join('\n');
  }

  /** The folders of the paths as given, and of the files that these lead to. */
  #watchFolders(): void {
    const wanted = new Set(this.#files.flatMap((file) => [dirname(file), dirname(real(file))]));
    for (const [folder, watcher] of this.#folders) {
      if (!wanted.has(folder)) {
        watcher.close();
        this.#folders.delete(folder);
      }
    }
    for (const folder of wanted) {
      if (!this.#folders.has(folder)) {
        this.#watchFolder(folder);
      }
    }
  }

  #watchFolder(folder: string): void {
    const forget = () => {
      this.#folders.get(folder)?.close();
      this.#folders.delete(folder);
    };
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        // The folder itself was removed or renamed; perhaps another takes its place.
        if (event === 'rename' && name !== null && folder.endsWith(`/${name}`)) {
          forget();
        }
        this.#lookSoon();
      });
      watcher.on('error', forget);
      this.#folders.set(folder, watcher);
    } catch {
      // It is missing, or there are no more watches. The files are looked at from time to time.
    }
  }
}

function stateOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function real(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
