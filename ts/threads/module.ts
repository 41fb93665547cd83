import { writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath as pathOf, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { installGlobals } from '../fetch/globals.js';
import { applicationOptions, isThenable } from '../options/application.js';
import { refuseClass, refuseForeignApplication } from '../options/foreign-applications.js';
import { placeOfSyntaxError } from './syntax-error.js';

/** A module with handlers. */
export interface Module {
  /** Its name, as the user wrote it. */
  readonly name: string;
  /** Its absolute path. */
  readonly file: string;
}

/**
 * Finds the module. A path is relative to the working directory; a `file:` URL is possible too.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` if there is no such file.
 */
export async function findModule(target: string | URL): Promise<Module> {
  const given = String(target);
  const name = given.startsWith('file:') ? pathOf(given) : given;
  const file = resolve(name);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    const problem =
      found === undefined
        ? 'there is no such file'
        : found.isDirectory()
          ? 'it is a folder; its files are a route, such as routes: { "/*": { dir: "./public" } }'
          : 'it is not a file';
    throw new ReactorError('ERR_REACTOR_INVALID_OPTION', `cannot serve "${name}": ${problem}`);
  }
  return { name, file };
}

/**
 * Loads a module and returns its options: those that it exports by default, or those that its
 * exported handler or application means.
 * @param globals whether the quick classes are installed before it runs; if undefined, the module's
 * own option decides
 * @throws {ReactorError} `ERR_REACTOR_MODULE` if it cannot be served.
 */
export async function loadModule(
  { name, file }: Module,
  globals?: unknown,
): Promise<Record<string, unknown>> {
  // Installed first, so that the module's own classes and objects are quick ones too.
  const restoreGlobals = globals === false ? () => {} : installGlobals();
  const loaded = await load(name, file);
  const exported = defaultOf(loaded);
  refuseForeignApplication(`the default export of "${name}"`, exported);
  refuseClass(`the default export of "${name}"`, exported);
  const options = isThenable(exported) ? undefined : applicationOptions(exported);
  if (options === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_MODULE',
      `cannot serve "${name}": its default export must be a handler, an application with "fetch" or the options of serve${hintAt(exported, loaded)}`,
    );
  }
  if (options.globals === false && globals !== true) {
    restoreGlobals();
  }
  return options;
}

/**
 * The default export. Compilers turn `export default` into a property `default` of
 * `module.exports`. Another wrapper may add a second one.
 */
function defaultOf(loaded: { readonly default?: unknown }): unknown {
  let exported = loaded.default;
  for (let depth = 0; depth < MOST_WRAPPED && isWrapper(exported); depth++) {
    exported = exported.default;
  }
  return exported;
}

const MOST_WRAPPED = 3;

/** Whether it only wraps a default export. No option and no application is called `default`. */
function isWrapper(value: unknown): value is { readonly default: unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, 'default') &&
    !('fetch' in value && typeof value.fetch === 'function')
  );
}

/** Advice for a module that has a handler, but not as its default export. */
function hintAt(exported: unknown, loaded: Readonly<Record<string, unknown>>): string {
  if (isThenable(exported)) {
    return '; it is a promise: write "export default await …"';
  }
  if (loaded.default !== undefined) {
    return '';
  }
  const name = Object.keys(loaded).find((key) => {
    const value = loaded[key] as { fetch?: unknown } | null | undefined;
    return typeof value === 'function' || typeof value?.fetch === 'function';
  });
  return name === undefined ? '' : `; it exports "${name}" by name: write "export default ${name}"`;
}

/** The exit code of a thread whose top-level await never settles. */
export const UNSETTLED = 13;

async function load(name: string, file: string): Promise<Record<string, unknown>> {
  // If nothing is left to do, Node ends without a message, because this file did the import.
  let isIdle = false;
  const onIdle = () => {
    isIdle = true;
  };
  const onExit = () => {
    if (isIdle) {
      writeSync(2, `reactor-rs: ${unsettled(name)}\n`);
      process.exitCode = 1;
    }
  };
  if (isMainThread) {
    process.once('beforeExit', onIdle);
    process.once('exit', onExit);
  }
  try {
    // The file is known only at run time, so a bundler must leave the import alone.
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ pathToFileURL(file).href);
  } catch (cause) {
    if (isUnknownExtension(cause) && /\.[cm]?tsx?$/.test(file)) {
      throw new ReactorError(
        'ERR_REACTOR_MODULE',
        `cannot serve "${name}": Node ${process.versions.node} does not run TypeScript; use Node 22.18 or newer, or compile it to JavaScript`,
        { cause },
      );
    }
    if (isUnknownExtension(cause)) {
      throw new ReactorError(
        'ERR_REACTOR_MODULE',
        `cannot serve "${name}": it is no module of JavaScript or TypeScript; to serve files name their folder`,
        { cause },
      );
    }
    const reason = await reasonOf(file, cause);
    throw new ReactorError('ERR_REACTOR_MODULE', `cannot serve "${name}": ${reason}`, { cause });
  } finally {
    process.off('beforeExit', onIdle);
    process.off('exit', onExit);
  }
}

/** The message for a module that never finishes loading. */
export function unsettled(name: string): string {
  return `cannot serve "${name}": a top-level await in it, or in a module that it imports, never settles`;
}

async function reasonOf(file: string, cause: unknown): Promise<string> {
  if (!(cause instanceof Error)) {
    return `it threw ${inspect(cause)}`;
  }
  const stack = String(cause.stack ?? cause.message);
  // Node does not tell where a syntax error in an ES module is.
  const isPlaced = !(cause instanceof SyntaxError) || !/^SyntaxError\b/.test(stack);
  return (isPlaced ? undefined : await placeOfSyntaxError(file)) ?? stack;
}

function isUnknownExtension(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION';
}
