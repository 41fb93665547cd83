import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import { ReactorError } from '../errors/errors.js';

/** The flags about watching. */
export interface WatchFlags {
  readonly watch?: boolean;
  readonly watchPath?: readonly string[];
}

/** Adds the flags about watching to `serve`. */
export function addWatchFlags(serve: Command): void {
  const add = (option: Option) => serve.addOption(option.helpGroup('Development:'));
  add(new Option('--watch', 'load the module anew when one of its files changes'));
  add(
    new Option(
      '--watch-path <path>',
      'with --watch, a file or folder that counts too; repeatable',
    ).argParser((path: string, before: string[] | undefined) => [...(before ?? []), path]),
  );
}

/**
 * Checks the flags before anything is loaded.
 * @throws {ReactorError} names the flag that is wrong.
 */
export function checkWatch(
  { watch, watchPath = [] }: WatchFlags,
  module: string | undefined,
): void {
  const [path] = watchPath;
  if (!watch) {
    if (path !== undefined) {
      throw usage('--watch-path needs --watch');
    }
    return;
  }
  if (module === undefined) {
    throw usage('--watch needs a module, which is loaded anew when its files change');
  }
  if (statSync(module, { throwIfNoEntry: false })?.isDirectory()) {
    throw usage(
      `--watch needs a module, and "${module}" is a folder: its files are always served as they are`,
    );
  }
  for (const path of watchPath) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      throw usage(`--watch-path: there is no file or folder "${path}"`);
    }
  }
}

function usage(message: string): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_OPTION', message);
}
