import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../binding/place.js';

/**
 * The page that shows snapshots in a browser. `undefined` where the package's file is not there, as
 * beside a bundle.
 */
export async function dashboardPage(): Promise<Buffer | undefined> {
  const root = packageRoot();
  if (root === undefined) {
    return undefined;
  }
  return readFile(join(root, 'dist/dashboard.html')).catch(() => undefined);
}
