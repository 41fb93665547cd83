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
  /** As the user wrote it. */
  readonly name: string;
  /** The whole path. */
  readonly file: string;
}

/**
 * The module that a path, relative to the working directory, or a `file:` URL names.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` where there is no such file.
 */
export async function findModule(target: string | URL): Promise<Module> {
  const given = String(target);
  const name = given.startsWith('file:') ? pathOf(given) : given;
  const file = resolve(name);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    const problem = found === undefined ? 'there is no such file' : 'it is not a file';
    throw new ReactorError('ERR_REACTOR_INVALID_OPTION', `cannot serve "${name}": ${problem}`);
  }
  return { name, file };
}

/**
 * The options that a module asks for: those it exports by default, or the
 * handler or application that it exports.
 * @param globals whether the quick classes are there before it runs; without, the
 * module may say that it does not want them
 * @throws {ReactorError} `ERR_REACTOR_MODULE` where it is of no use.
 */
export async function loadModule(
  { name, file }: Module,
  globals?: unknown,
): Promise<Record<string, unknown>> {
  // Before the module runs, so that classes it derives and objects it makes then
  // are quick too.
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
 * What a module exports by default. What compilers make of `export default` for CommonJS is
 * a property `default` of `module.exports`, and a second one where another has wrapped that.
 */
function defaultOf(loaded: { readonly default?: unknown }): unknown {
  let exported = loaded.default;
  for (let depth = 0; depth < MOST_WRAPPED && isWrapper(exported); depth++) {
    exported = exported.default;
  }
  return exported;
}

const MOST_WRAPPED = 3;

/** No option and no application is called `default`. */
function isWrapper(value: unknown): value is { readonly default: unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, 'default') &&
    !('fetch' in value && typeof value.fetch === 'function')
  );
}

/** What to write where a module has a handler, and not as its default export. */
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

/** What a thread ends with when a top-level await never settles. */
export const UNSETTLED = 13;

async function load(name: string, file: string): Promise<Record<string, unknown>> {
  // Where nothing is left to do, Node ends and says nothing, for the import is ours.
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
    // The file is known when the program runs: a bundler is to leave it alone.
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ pathToFileURL(file).href);
  } catch (cause) {
    if (isUnknownExtension(cause) && /\.[cm]?tsx?$/.test(file)) {
      throw new ReactorError(
        'ERR_REACTOR_MODULE',
        `cannot serve "${name}": Node ${process.versions.node} does not run TypeScript; use Node 22.18 or newer, or compile it to JavaScript`,
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

/** Why nothing was left to do while a module was loaded. */
export function unsettled(name: string): string {
  return `cannot serve "${name}": a top-level await in it, or in a module that it imports, never settles`;
}

async function reasonOf(file: string, cause: unknown): Promise<string> {
  if (!(cause instanceof Error)) {
    return `it threw ${inspect(cause)}`;
  }
  const stack = String(cause.stack ?? cause.message);
  // Node keeps the place of a syntax error in an ES module for itself.
  const isPlaced = !(cause instanceof SyntaxError) || !/^SyntaxError\b/.test(stack);
  return (isPlaced ? undefined : await placeOfSyntaxError(file)) ?? stack;
}

function isUnknownExtension(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION';
}
