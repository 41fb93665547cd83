import { existsSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath as pathOf } from 'node:url';
import { stateOf } from './file-state.js';
import type { Told } from './told.js';

/** Told when a module is found, or is not. */
export interface Resolving {
  /** @param target the URL or absolute path */
  found(target: string): void;
  /**
   * @param specifier as the program wrote it
   * @param parent URL or absolute path of the importing file, if there is one
   */
  missed(specifier: string, parent: string | undefined): void;
}

/** Files of this package are not the program's. */
const OWN = `${dirname(dirname(pathOf(import.meta.url)))}${sep}`;

/** Whether a change of the file is the program's. Linked packages have their real path. */
export function isOfProgram(file: string): boolean {
  return !file.startsWith(OWN) && !file.includes(`${sep}node_modules${sep}`);
}

/** Tells each file once, and where a missing one could appear. */
export function resolving(tell: (told: Told) => void): Resolving {
  const told = new Set<string>();
  return {
    found(target) {
      const file = fileOf(target);
      if (file !== undefined && !told.has(file) && isOfProgram(file)) {
        told.add(file);
        // Before the file is read: what comes later is a change.
        tell({ kind: 'file', file, state: stateOf(file) });
      }
    },
    missed(specifier, parent) {
      const from = parent === undefined ? undefined : fileOf(parent);
      if (from === undefined || isOfProgram(from)) {
        for (const at of placesFor(specifier, from)) {
          tell({ kind: 'missing', at, state: stateOf(at) });
        }
      }
    },
  };
}

/** Where what the specifier names could be. */
function placesFor(specifier: string, from: string | undefined): string[] {
  if (specifier.startsWith('file:') || specifier.startsWith('/')) {
    const file = fileOf(specifier);
    return file === undefined ? [] : [file];
  }
  if (from === undefined || /^(?:node|data|https?):/.test(specifier)) {
    return [];
  }
  if (/^\.{1,2}(?:\/|$)/.test(specifier)) {
    return [resolve(dirname(from), specifier)];
  }
  // A package, in one of the folders in which Node looks. A name such as `#name` is in package.json,
  // which is watched.
  const places: string[] = [];
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    const isRoot = existsSync(join(folder, 'package.json'));
    if (isRoot || existsSync(join(folder, 'node_modules'))) {
      places.push(join(folder, 'node_modules', specifier));
    }
    if (folder === dirname(folder)) {
      return places;
    }
  }
}

/** The path of a `file:` URL or an absolute path, without a query. */
function fileOf(target: string): string | undefined {
  if (target.startsWith('/')) {
    return target;
  }
  if (!target.startsWith('file:')) {
    return undefined;
  }
  const url = new URL(target);
  url.search = '';
  url.hash = '';
  try {
    return pathOf(url);
  } catch {
    return undefined;
  }
}
