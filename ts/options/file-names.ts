import { adviceFor, METHODS } from './names.js';

/** Options of other servers of files, with where their meaning lives. */
const FOREIGN: Readonly<Record<string, string>> = {
  maxAge: 'give "cacheControl", such as "public, max-age=3600"',
  cacheTime: 'give "cacheControl", such as "public, max-age=3600"',
  redirect: 'it is called "slashRedirect" here',
  trailingSlash: 'it is called "slashRedirect" here',
  single: 'it is called "spa" here',
  fallback: 'it is called "spa" here',
  spaFallback: 'it is called "spa" here',
  tryFiles: 'give "spa" for pages, or "cleanUrls" for .html',
  extensions: '"cleanUrls" adds .html',
  gzip: '"precompressed" sends .gz, .br and .zst, "compress" makes them',
  brotli: '"precompressed" sends .gz, .br and .zst, "compress" makes them',
  preCompressed: 'it is called "precompressed" here',
  precompress: 'it is called "precompressed" here',
  siblings: 'it is called "precompressed" here',
  setHeaders: 'give "headers", which may have patterns of files',
  hidden: 'it is called "dotfiles" here',
  directoryListing: 'it is called "listing" here',
  browse: 'it is called "listing" here',
  autoindex: 'it is called "listing" here',
  list: 'it is called "listing" here',
  showDir: 'it is called "listing" here',
  errorPage: 'it is called "notFound" here',
  etag: 'files always have an ETag',
  lastModified: 'files always have Last-Modified',
  acceptRanges: 'ranges are always answered',
  symlinks: 'symbolic links are followed within the folder, and never out of it',
  followSymlinks: 'symbolic links are followed within the folder, and never out of it',
  prefix: 'the route\'s pattern is the prefix, such as "/assets/*"',
  type: 'give headers: { "content-type": … }',
  status: 'files are sent with 200, 206 or 304; another status is for a handler',
};

/** What an unknown option of files most likely means, as the end of an error message. */
export function adviceForFiles(name: string, known: readonly string[]): string {
  if (METHODS.includes(name)) {
    return ': methods go around it, such as { GET: { dir: "./public" }, POST: handler }';
  }
  return Object.hasOwn(FOREIGN, name) ? `: ${FOREIGN[name]}` : adviceFor(name, known, '');
}

/** Keys that other servers have for the folder itself. */
export const FOLDER_NAMES: readonly string[] = [
  ...['directory', 'folder', 'root', 'path', 'static', 'publicDir', 'assets', 'serveStatic'],
];
