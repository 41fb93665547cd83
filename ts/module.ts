import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath as pathOf, pathToFileURL } from 'node:url';
import { applicationOptions } from './application.js';
import { ReactorError } from './errors.js';
import { installGlobals } from './globals.js';

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
  const options = applicationOptions(loaded.default);
  if (options === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_MODULE',
      `cannot serve "${name}": its default export must be a handler, an application with "fetch" or the options of serve`,
    );
  }
  if (options.globals === false && globals !== true) {
    restoreGlobals();
  }
  return options;
}

async function load(name: string, file: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (cause) {
    if (isUnknownExtension(cause) && /\.[cm]?tsx?$/.test(file)) {
      throw new ReactorError(
        'ERR_REACTOR_MODULE',
        `cannot serve "${name}": Node ${process.versions.node} does not run TypeScript; use Node 22.18 or newer, or compile it to JavaScript`,
        { cause },
      );
    }
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new ReactorError('ERR_REACTOR_MODULE', `cannot serve "${name}": ${reason}`, { cause });
  }
}

function isUnknownExtension(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION';
}
