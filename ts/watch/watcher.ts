import { type FSWatcher, lstatSync, readdirSync, realpathSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { linkAt, MISSING, stateOf } from './file-state.js';

/** How long nothing more must happen before a change counts, in milliseconds. */
const QUIET_MS = 50;

/** The same at most, if something happens all the time. */
const MOST_MS = 1000;

/** How long a file may be missing, since some editors delete it and write a new one. */
const MISSING_MS = 300;

/** How often files are looked at, since a file system may tell nothing: in milliseconds. */
const LOOK_MS = 3000;

/** The same for a folder that cannot be watched. */
const LOOK_OFTEN_MS = 500;

/** Folders of `--watch-path`, with all that are in them. */
const MOST_FOLDERS = 4096;

/** A link that leads to a link, and so on. */
const MOST_LINKS = 40;

/** What editors write beside a file. */
const IS_SCRATCH = /^\.#|^#.*#$|~$|\.sw[a-z]$|^4913$|\.tmp$|^\.git$|^node_modules$/;

/** What a watcher calls. */
export interface WatcherEvents {
  /** These files have changed, and nothing more has happened for a moment. */
  change(files: readonly string[]): void;
  /** Something cannot be watched; told once. */
  trouble(message: string): void;
}

/**
 * Tells when files of a program have changed, by watching their folders. So it sees them written in
 * place, replaced, deleted and made again, and reached by a link that leads elsewhere.
 */
export class Watcher {
  readonly #events: WatcherEvents;
  /** What each file was like when it was last read. */
  #files = new Map<string, string>();
  /** Where each symbolic link on the way to a file led. */
  readonly #links = new Map<string, string>();
  /** Folders in which any new name is a change. */
  #listed = new Set<string>();
  /** The folders of `--watch-path`: all in them counts. */
  readonly #trees: string[] = [];
  readonly #treeFolders = new Set<string>();
  /** Files of trees that have changed. */
  readonly #touched = new Set<string>();
  /** The folders above all files. */
  #above = new Set<string>();
  /** The folders that are watched, and which folders they were when that began. */
  readonly #watches = new Map<string, { readonly watcher: FSWatcher; readonly id: string }>();
  #hasTrouble = false;
  #timer: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout;
  /** When the changes began that are being gathered. */
  #since: number | undefined;
  #isClosed = false;

  constructor(events: WatcherEvents) {
    this.#events = events;
    this.#look = this.#lookEvery(LOOK_MS);
  }

  /** A file counts from now on. If its state is another than this one, it has changed. */
  addFile(file: string, state = stateOf(file)): void {
    this.#files.set(file, state);
    this.#noteAbove(file);
    this.#watchNearest(dirname(file));
    if (stateOf(file) !== state) {
      this.#arm();
    }
  }

  /** A path at which something is missing: a new name in its folder counts. */
  addMissing(path: string, state: string): void {
    const folder = dirname(path);
    if (stateOf(folder) === MISSING) {
      this.addFile(folder, MISSING);
      return;
    }
    this.#listed.add(folder);
    this.#watchNearest(folder);
    this.addFile(path, state);
  }

  /** Forgets all files but these. Links and trees stay. */
  keepOnly(files: ReadonlySet<string>): void {
    this.#files = new Map([...this.#files].filter(([file]) => files.has(file)));
    this.#listed = new Set();
    this.#above = new Set();
    const paths = [...this.#files.keys(), ...this.#links.keys()];
    for (const path of paths) {
      this.#noteAbove(path);
    }
    const wanted = new Set([...this.#treeFolders, ...paths.map((path) => dirname(path))]);
    for (const folder of this.#watches.keys()) {
      if (!wanted.has(folder)) {
        this.#unwatch(folder);
      }
    }
    this.#watchAll();
  }

  /** A path whose symbolic links may be led elsewhere. */
  addLinks(path: string, depth = 0): void {
    const parts = path.split(sep).filter((part) => part !== '');
    for (let count = 1; count <= parts.length; count++) {
      const prefix = sep + parts.slice(0, count).join(sep);
      if (depth > MOST_LINKS || !isLink(prefix)) {
        continue;
      }
      const target = linkAt(prefix);
      this.#links.set(prefix, target);
      this.#noteAbove(prefix);
      this.#watchNearest(dirname(prefix));
      this.addLinks(join(target.startsWith(sep) ? '' : dirname(prefix), target), depth + 1);
    }
  }

  /** A folder and all in it, but node_modules and scratch files. */
  addTree(folder: string): void {
    const real = realpathSync(folder);
    this.#trees.push(real);
    this.#addTreeFolder(real);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#look);
    clearTimeout(this.#timer);
    for (const folder of [...this.#watches.keys()]) {
      this.#unwatch(folder);
    }
  }

  #lookEvery(ms: number): NodeJS.Timeout {
    return setInterval(() => {
      this.#watchAll();
      if (this.#changed().length > 0) {
        this.#arm();
      }
    }, ms).unref();
  }

  /** Something has happened: looks once it is quiet. */
  #arm(): void {
    if (this.#isClosed) {
      return;
    }
    const now = performance.now();
    this.#since ??= now;
    clearTimeout(this.#timer);
    const left = this.#since + MOST_MS - now;
    this.#timer = setTimeout(() => this.#settle(), Math.max(Math.min(QUIET_MS, left), 0));
  }

  #settle(): void {
    const since = this.#since ?? 0;
    this.#timer = undefined;
    this.#watchAll();
    const changed = this.#changed();
    const isMissing = changed.some((file) => this.#files.has(file) && stateOf(file) === MISSING);
    if (isMissing && performance.now() - since < MISSING_MS) {
      this.#timer = setTimeout(() => this.#settle(), QUIET_MS);
      return;
    }
    this.#since = undefined;
    for (const file of changed) {
      if (this.#files.has(file)) {
        this.#files.set(file, stateOf(file));
      }
      if (this.#links.has(file)) {
        this.#links.set(file, linkAt(file));
      }
    }
    this.#touched.clear();
    if (changed.length > 0) {
      this.#events.change(changed);
    }
  }

  #changed(): string[] {
    const files = [...this.#files].filter(([file, state]) => stateOf(file) !== state);
    const links = [...this.#links].filter(([link, target]) => linkAt(link) !== target);
    return [...new Set([...files, ...links].map(([path]) => path)), ...this.#touched];
  }

  #noteAbove(path: string): void {
    for (let folder = dirname(path); !this.#above.has(folder); folder = dirname(folder)) {
      this.#above.add(folder);
    }
  }

  /** Watches again what has been made again. */
  #watchAll(): void {
    for (const [folder, { id }] of this.#watches) {
      if (idOf(folder) !== id) {
        this.#unwatch(folder);
      }
    }
    const paths = [...this.#files.keys(), ...this.#links.keys()];
    for (const folder of new Set([...paths.map(dirname), ...this.#listed])) {
      this.#watchNearest(folder);
    }
    for (const tree of this.#trees) {
      this.#addTreeFolder(tree);
    }
  }

  /** Watches a folder, or if it is not there the one in which it would be. */
  #watchNearest(folder: string): void {
    let nearest = folder;
    while (!this.#watch(nearest) && nearest !== dirname(nearest)) {
      nearest = dirname(nearest);
    }
  }

  #addTreeFolder(folder: string): void {
    if (this.#treeFolders.has(folder) && this.#watches.has(folder)) {
      return;
    }
    if (this.#treeFolders.size >= MOST_FOLDERS) {
      this.#trouble(`not all of ${folder} is watched: there are more than ${MOST_FOLDERS} folders`);
      return;
    }
    if (!this.#watch(folder)) {
      this.#treeFolders.delete(folder);
      return;
    }
    this.#treeFolders.add(folder);
    for (const entry of entriesOf(folder)) {
      if (entry.isDirectory() && !IS_SCRATCH.test(entry.name)) {
        this.#addTreeFolder(join(folder, entry.name));
      }
    }
  }

  /** Returns `false` if there is no such folder. */
  #watch(folder: string): boolean {
    if (this.#watches.has(folder)) {
      return true;
    }
    try {
      const id = idOf(folder);
      const watcher = watch(folder, (event, name) => this.#heard(folder, event, name));
      watcher.on('error', () => this.#unwatch(folder));
      this.#watches.set(folder, { watcher, id });
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        return false;
      }
      this.#trouble(
        code === 'ENOSPC' || code === 'EMFILE'
          ? `the system watches no more folders for this user (${code}): raise fs.inotify.max_user_watches or max_user_instances with sysctl; until then files are looked at twice a second`
          : `${folder} cannot be watched (${message}); its files are looked at twice a second`,
      );
      return true;
    }
  }

  #unwatch(folder: string): void {
    this.#watches.get(folder)?.watcher.close();
    this.#watches.delete(folder);
  }

  #heard(folder: string, event: string, name: string | null): void {
    if (event === 'rename' && name === basename(folder)) {
      // Perhaps the folder itself was removed or renamed, and another has taken its place.
      this.#unwatch(folder);
      this.#watchNearest(folder);
      this.#arm();
      return;
    }
    if (name !== null && this.#treeFolders.has(folder) && !IS_SCRATCH.test(name)) {
      const path = join(folder, name);
      if (event === 'rename' && idOf(path) !== '') {
        this.#addTreeFolder(path);
      }
      this.#touched.add(path);
      this.#arm();
      return;
    }
    const path = name === null ? folder : join(folder, name);
    const isListed = event === 'rename' && this.#listed.has(folder);
    if (isListed) {
      this.#touched.add(path);
    }
    if (
      name === null ||
      isListed ||
      this.#files.has(path) ||
      this.#links.has(path) ||
      this.#above.has(path) ||
      // A checkout of many files is one change.
      (this.#since !== undefined && !IS_SCRATCH.test(name))
    ) {
      this.#arm();
    }
  }

  #trouble(message: string): void {
    if (!this.#hasTrouble) {
      this.#hasTrouble = true;
      clearInterval(this.#look);
      this.#look = this.#lookEvery(LOOK_OFTEN_MS);
      this.#events.trouble(message);
    }
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** Tells a folder from another one with its name; empty if there is none. */
function idOf(folder: string): string {
  const found = statSync(folder, { bigint: true, throwIfNoEntry: false });
  return found?.isDirectory() ? `${found.dev} ${found.ino}` : '';
}
