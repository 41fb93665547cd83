// Under names of our own, since people write the usual ones into a bundle's banner. webpack
// takes `createRequire` out of a bundle where it sees it imported by its name.
import nodeModule from 'node:module';
import { dirname as folderAt } from 'node:path';
import { here } from '#here';
import { VERSION } from './version.js';

/** `require` from this file, or from the bundle that it has become part of. */
export const requireHere: NodeJS.Require = nodeModule.createRequire(here);

/** `require` from the installed package, where a bundle's folder does not know its packages. */
export function requireThere(root: string | undefined): NodeJS.Require {
  return root === undefined ? requireHere : nodeModule.createRequire(`${root}/package.json`);
}

/**
 * The folder of this package's package.json. Beside a bundle there is one where the package, or
 * a checkout of it, can be found from the bundle, in the same version.
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
