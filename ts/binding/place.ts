// Imported under unusual names, since people write the usual ones into a bundle's banner. webpack
// removes `createRequire` if it is imported by its name.
import nodeModule from 'node:module';
import { dirname as folderAt } from 'node:path';
import { here } from '#here';
import { VERSION } from './version.js';

/** `require` as seen from this file, or from the bundle that contains it. */
export const requireHere: NodeJS.Require = nodeModule.createRequire(here);

/** `require` as seen from the installed package, for bundles in a folder without packages. */
export function requireThere(root: string | undefined): NodeJS.Require {
  return root === undefined ? requireHere : nodeModule.createRequire(`${root}/package.json`);
}

/**
 * The folder of this package's package.json. For a bundle that is a package or checkout of the same
 * version, if the bundle can resolve one.
 */
export function packageRoot(): string | undefined {
  return folderOf('../package.json') ?? folderOf('reactor-rs/package.json');
}

function folderOf(id: string): string | undefined {
  try {
    const { name, version } = requireHere(id) as { name?: string; version?: string };
    const isOurs = name === 'reactor-rs' && version === VERSION;
    return isOurs ? folderAt(requireHere.resolve(id)) : undefined;
  } catch {
    return undefined;
  }
}
