import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type {
  NativeField,
  NativeFileFields,
  NativeFiles,
  NativeRoute,
} from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { filePath } from '../fetch/file-path.js';
import { adviceForFiles } from './file-names.js';
import { bad, isPlainObject } from './route-check.js';
import { isFieldValue, renderFields } from './static-answer.js';

/** The options of one file and of a folder. */
const OF_FILES = ['cacheControl', 'cors', 'headers', 'precompressed', 'compress'];
const FILE_KEYS = ['file', ...OF_FILES];
const FOLDER_KEYS = [
  ...['dir', 'index', 'spa', 'notFound', 'cleanUrls', 'slashRedirect', 'dotfiles', 'listing'],
  ...['immutable', ...OF_FILES],
];

const INDEX = 'index.html';
const NOT_FOUND = '404.html';
/** A year, the most that caches heed. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** Fields that follow from the file and its coding. */
const OF_ENGINE = ['accept-ranges', 'content-encoding', 'content-range', 'etag', 'last-modified'];

/** Patterns as the engine takes them: of all files, and of those in all folders. */
const ALL_FILES = '**/*';
const ANY_FOLDER = '**/';

/** Whether a route asks for files. */
export function isFiles(route: unknown): route is Record<string, unknown> {
  return isPlainObject(route) && ('dir' in route || 'file' in route);
}

/**
 * Checks a route of files and renders it for the engine. Folders and files have to be there.
 *
 * @param method the only one; `undefined` if the engine answers every method
 * @throws {ReactorError} `ERR_REACTOR_INVALID_ROUTE`, names the route, the option and the path.
 */
export function resolveFiles(
  label: string,
  pattern: string,
  route: Record<string, unknown>,
  method: string | undefined,
): NativeRoute {
  if (method !== undefined && method !== 'GET') {
    throw bad(label, 'cannot serve files: they are for GET, and HEAD with it', route);
  }
  const isFolder = 'dir' in route;
  if (isFolder && 'file' in route) {
    throw bad(label, 'has both "dir" and "file": give a folder or a file', route);
  }
  const known = isFolder ? FOLDER_KEYS : FILE_KEYS;
  for (const key of Object.keys(route)) {
    if (!known.includes(key)) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_ROUTE',
        `${label} has the unknown option "${key}"${adviceForFiles(key, known)}`,
      );
    }
  }
  const files = isFolder ? folder(label, pattern, route) : single(label, route);
  return { ...place(pattern, method), status: 200, fields: [], body: new Uint8Array(), files };
}

function place(pattern: string, method: string | undefined) {
  return method === undefined ? { pattern } : { pattern, method };
}

function folder(label: string, pattern: string, route: Record<string, unknown>): NativeFiles {
  const path = pathAt(label, route, 'dir');
  if (!/\/\*$/.test(pattern)) {
    const right = `${pattern.replace(/\/+$/, '')}/*`;
    throw bad(label, `must be "${right}" to serve a folder: "*" stands for the file`, route.dir);
  }
  const found = lookUp(label, 'dir', 'folder', route.dir, path);
  if (!found.isDirectory()) {
    throw wrong(label, 'dir', 'a folder; for a file write { file: … }', route.dir);
  }
  const index = indexOf(label, route.index);
  const spa = spaOf(label, path, route.spa, index[0] ?? INDEX);
  const notFound = notFoundOf(label, path, route.notFound);
  return {
    path,
    single: false,
    index,
    ...(spa === undefined ? {} : { spa }),
    ...(notFound === undefined ? {} : { notFound }),
    cleanUrls: isOn(label, route, 'cleanUrls', false),
    slashRedirect: isOn(label, route, 'slashRedirect', true),
    dotfiles: isOn(label, route, 'dotfiles', false),
    listing: isOn(label, route, 'listing', false),
    ...(isOn(label, route, 'immutable', false) ? { immutable: IMMUTABLE } : {}),
    ...common(label, route),
    fields: fieldsOfFolder(label, route.headers),
  };
}

function single(label: string, route: Record<string, unknown>): NativeFiles {
  const path = pathAt(label, route, 'file');
  const found = lookUp(label, 'file', 'file', route.file, path);
  if (found.isDirectory()) {
    throw wrong(label, 'file', 'a file; for a folder write { dir: … }', route.file);
  }
  if (!found.isFile()) {
    throw wrong(label, 'file', 'a regular file', route.file);
  }
  const fields = fieldsOf(label, route.headers);
  return {
    path,
    single: true,
    index: [],
    cleanUrls: false,
    slashRedirect: false,
    dotfiles: true,
    listing: false,
    ...common(label, route),
    fields: fields.length === 0 ? [] : [{ glob: ALL_FILES, fields }],
  };
}

/** The error for a value that an option does not take. The command line has its own name for it. */
function wrong(label: string, option: string, allowed: string, value: unknown): ReactorError {
  return bad(label, `has a wrong "${option}": it must be ${allowed}`, value);
}

/** The absolute path that a text or a `file:` URL names. */
function pathAt(label: string, route: Record<string, unknown>, option: 'dir' | 'file'): string {
  const path = filePath(route[option]);
  if (path === undefined) {
    throw wrong(label, option, 'a path or a file: URL', route[option]);
  }
  return resolve(path);
}

/** What is there, which the process must be able to read. */
function lookUp(label: string, option: string, kind: string, given: unknown, path: string): Stats {
  try {
    const found = statSync(path);
    // Names in a folder can be looked up without the right to list them.
    accessSync(path, found.isDirectory() ? constants.X_OK : constants.R_OK);
    return found;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const written = String(given) === path ? '' : `, which is ${path}`;
    const problem =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `there is no such ${kind}; make it, or correct "${option}"; a path is relative to the working directory, new URL("${relativeTo(given)}", import.meta.url) to the module`
        : code === 'EACCES'
          ? 'this process may not read it'
          : (cause as Error).message;
    throw new ReactorError(
      'ERR_REACTOR_INVALID_ROUTE',
      `${label} cannot serve the ${kind} "${given}"${written}: ${problem}`,
      { cause },
    );
  }
}

/** How a path would be written in a URL that is relative to a module. */
function relativeTo(given: unknown): string {
  const text = String(given);
  return /^(?:\.{0,2}\/|file:)/i.test(text) ? text : `./${text}`;
}

function indexOf(label: string, given: unknown = INDEX): string[] {
  if (given === false) {
    return [];
  }
  const names: unknown[] = Array.isArray(given) ? given : [given];
  if (!names.every((name) => typeof name === 'string' && /^(?!\.{0,2}$)[^/\0]+$/.test(name))) {
    throw wrong(label, 'index', 'a name such as "index.html", several, or false', given);
  }
  return names as string[];
}

function spaOf(label: string, root: string, given: unknown, index: string): string | undefined {
  return given === undefined || given === false
    ? undefined
    : within(label, root, 'spa', given === true ? index : given);
}

/** The default need not be there. */
function notFoundOf(label: string, root: string, given: unknown): string | undefined {
  return given === undefined
    ? NOT_FOUND
    : given === false
      ? undefined
      : within(label, root, 'notFound', given);
}

/** A file in the folder, which is named in the options. */
function within(label: string, root: string, option: string, given: unknown): string {
  const name = typeof given === 'string' ? given.replace(/^(?:\.?\/)+/, '') : '';
  if (
    name === '' ||
    name.includes('\0') ||
    name.split('/').some((part) => /^\.{0,2}$/.test(part))
  ) {
    throw wrong(label, option, 'the name of a file in the folder', given);
  }
  const found = statSync(join(root, name), { throwIfNoEntry: false });
  if (!found?.isFile()) {
    throw wrong(label, option, `a file in ${root}`, given);
  }
  return name;
}

type Common = Pick<NativeFiles, 'cacheControl' | 'cors' | 'siblings' | 'compress'>;

function common(label: string, route: Record<string, unknown>): Common {
  const { cacheControl = 'no-cache' } = route;
  if (cacheControl !== false && (!isText(cacheControl) || cacheControl === '')) {
    const allowed = 'text such as "public, max-age=3600", or false';
    throw wrong(label, 'cacheControl', allowed, cacheControl);
  }
  const { cors = false } = route;
  const isOrigin = isText(cors) && (cors === '*' || isOriginText(cors));
  if (typeof cors !== 'boolean' && !isOrigin) {
    const allowed = 'true, false or an origin such as "https://example.com"';
    throw wrong(label, 'cors', allowed, cors);
  }
  return {
    ...(cacheControl === false ? {} : { cacheControl }),
    ...(cors === false ? {} : { cors: cors === true ? '*' : (cors as string) }),
    siblings: isOn(label, route, 'precompressed', true),
    compress: isOn(label, route, 'compress', true),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && isFieldValue(value);
}

/** Browsers compare it character by character. */
function isOriginText(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

function isOn(
  label: string,
  route: Record<string, unknown>,
  option: string,
  fallback: boolean,
): boolean {
  const value = route[option] ?? fallback;
  if (typeof value !== 'boolean') {
    throw wrong(label, option, 'true or false', value);
  }
  return value;
}

function fieldsOfFolder(label: string, headers: unknown): NativeFileFields[] {
  if (headers === undefined) {
    return [];
  }
  if (!isPlainObject(headers)) {
    throw wrong(label, 'headers', 'a plain object', headers);
  }
  const ofAll: Record<string, unknown> = {};
  const ofSome: NativeFileFields[] = [];
  for (const [key, value] of Object.entries(headers)) {
    if (isPlainObject(value)) {
      ofSome.push({ glob: globOf(label, key), fields: fieldsOf(`${label} "${key}"`, value) });
    } else {
      ofAll[key] = value;
    }
  }
  const fields = fieldsOf(label, ofAll);
  return fields.length === 0 ? ofSome : [{ glob: ALL_FILES, fields }, ...ofSome];
}

function fieldsOf(label: string, headers: unknown): NativeField[] {
  const fields = renderFields(label, headers);
  const own = fields.find(({ name }) => OF_ENGINE.includes(name.toLowerCase()));
  if (own !== undefined) {
    throw bad(label, 'sets a header that follows from the file', own.name);
  }
  return fields;
}

/** A pattern as the engine takes it: with all folders, and without a slash at its beginning. */
function globOf(label: string, written: string): string {
  const parts = written.replace(/^\//, '').split('/');
  if (parts.some((part) => /^\.{0,2}$/.test(part) || part.includes('\0'))) {
    throw bad(label, 'has headers for a pattern that no file can match', written);
  }
  if (!written.includes('/')) {
    return ANY_FOLDER + (written === '**' ? '*' : written);
  }
  return parts.at(-1) === '**' ? `${parts.join('/')}/*` : parts.join('/');
}
