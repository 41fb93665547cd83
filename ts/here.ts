import { pathToFileURL } from 'node:url';

/** esbuild's CommonJS bundles have none. */
const url: string | undefined = import.meta.url;

/** The URL of this file, or of the bundle that it has become part of. */
export const here: string = url ?? pathToFileURL(__filename).href;

/** The file that a JavaScript thread begins with, written as bundlers and tracers look for it. */
export function threadFile(): URL {
  if (url === undefined) {
    return new URL('./thread.js', here);
  }
  // To webpack it is an asset, which its minifier takes for a script and refuses.
  return new URL(/* webpackIgnore: true */ './thread.js', import.meta.url);
}
