import { pathToFileURL } from 'node:url';

/** Undefined in CommonJS bundles of esbuild. */
const url: string | undefined = import.meta.url;

/** The URL of this file, or of the bundle that contains it. */
export const here: string = url ?? pathToFileURL(__filename).href;

/**
 * The file that a JavaScript thread starts with, written in the form that bundlers and tracers
 * find.
 */
export function threadFile(): URL {
  if (url === undefined) {
    return new URL('./thread.js', here);
  }
  // webpack would take it for an asset, which its minifier reads as a script and refuses.
  return new URL(/* webpackIgnore: true */ './thread.js', import.meta.url);
}
