import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ReactorError } from '../errors.js';
import { installGlobals } from '../globals.js';
import { applicationOptions } from '../serve.js';

/**
 * The options that a module asks for: those it exports by default, or the
 * handler or application that it exports.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` where there is no such
 * file, `ERR_REACTOR_MODULE` where it is of no use.
 */
export async function loadModule(target: string): Promise<Record<string, unknown>> {
  const file = resolve(target);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    const problem = found === undefined ? 'there is no such file' : 'it is not a file';
    throw new ReactorError('ERR_REACTOR_INVALID_OPTION', `cannot serve "${target}": ${problem}`);
  }
  // Before the module runs, so that classes it derives and objects it makes then
  // are quick too.
  const restoreGlobals = installGlobals();
  const loaded = await load(target, file);
  const options = applicationOptions(loaded.default);
  if (options === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_MODULE',
      `cannot serve "${target}": its default export must be a handler, an application with "fetch" or the options of serve`,
    );
  }
  if (options.globals === false) {
    restoreGlobals();
  }
  return options;
}

async function load(target: string, file: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (cause) {
    if (isUnknownExtension(cause) && /\.[cm]?tsx?$/.test(file)) {
      throw new ReactorError(
        'ERR_REACTOR_MODULE',
        `cannot serve "${target}": Node ${process.versions.node} does not run TypeScript; use Node 22.18 or newer, or compile it to JavaScript`,
        { cause },
      );
    }
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new ReactorError('ERR_REACTOR_MODULE', `cannot serve "${target}": ${reason}`, { cause });
  }
}

function isUnknownExtension(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION';
}
