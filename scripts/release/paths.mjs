// What a binary may say about where it was built. Panics name their source files; they
// are not to name folders of the machine that compiled them.

import { homedir } from 'node:os';
import { ROOT } from '../setup.mjs';

/** What cargo's home and the checkout are called instead, as in in-container.sh. */
export const NEUTRAL = { cargo: '/cargo', root: '/reactor-rs' };

/** Folders at the top in which people, runners and containers have their sources. */
const HOMES = [
  ...['root', 'home', 'Users'],
  ...['work', 'workspace', 'workspaces', 'builds', '__w'],
];

/** What names the machine that built something. */
const USUAL = [
  ...HOMES.map((name) => `/${name}/`),
  '/usr/local/cargo/',
  '/usr/local/rustup/',
  // Wherever they are.
  '/.cargo/',
  '/.rustup/',
];

/**
 * The first place where a binary names such a folder, with what follows it.
 * @param {string} text of the binary, as latin1
 * @returns {string | undefined}
 */
export function folderNamed(text) {
  const own = [homedir(), ROOT].map((folder) => `${folder.replace(/\/+$/, '')}/`);
  for (const folder of [...USUAL, ...own]) {
    const at = folder === '/' ? -1 : text.indexOf(folder);
    if (at !== -1) {
      return text.slice(at, at + 120).replace(/[^ -~]/g, '.');
    }
  }
  return undefined;
}
