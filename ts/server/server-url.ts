import { inspect } from 'node:util';
import type { URLAsText } from '../types/addresses.js';

/** Methods of text that programs call on a URL. */
const AS_TEXT = [
  'at',
  'charAt',
  'concat',
  'endsWith',
  'includes',
  'indexOf',
  'lastIndexOf',
  'match',
  'replace',
  'replaceAll',
  'slice',
  'split',
  'startsWith',
  'substring',
  'toLowerCase',
  'trim',
] as const satisfies readonly (keyof URLAsText)[];

/**
 * A server's URL. It is a `URL`, as Bun has it, with the methods of the text that srvx has.
 * `${url}`, `url + 'path'` and `JSON.stringify` give text, as with every `URL`.
 */
class ServerURL extends URL {
  [inspect.custom](): string {
    return this.href;
  }
}

/** @param text an absolute URL */
export function serverUrl(text: string): URL & URLAsText {
  const url: URL = new ServerURL(text);
  return url as URL & URLAsText;
}

for (const name of AS_TEXT) {
  Object.defineProperty(ServerURL.prototype, name, {
    value(this: ServerURL, ...given: never[]): unknown {
      const text: string = this.href;
      return Reflect.apply(text[name], text, given);
    },
    writable: true,
    configurable: true,
  });
}
