import { existsSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import { ReactorError } from '../errors/errors.js';
import { filePath } from '../fetch/file-path.js';
import { invalid } from '../options/check.js';

/** A flag of `serve` for a folder that it serves. */
export interface FilesFlag {
  readonly flags: string;
  readonly env: string;
  /** The option of the folder's route that it sets. */
  readonly option: string;
  readonly text: string;
  /** Shown where it is not plain that it is off. */
  readonly byDefault?: string;
}

const FILES = 'Files of a folder:';

/** In the order of the help text. */
export const FILES_FLAGS: readonly FilesFlag[] = [
  {
    flags: '--spa [file]',
    env: 'REACTOR_SPA',
    option: 'spa',
    text: 'single-page application: pages that are no file are index.html, or this file',
  },
  {
    flags: '--listing',
    env: 'REACTOR_LISTING',
    option: 'listing',
    text: 'list the files of folders that have no index',
  },
  {
    flags: '--clean-urls',
    env: 'REACTOR_CLEAN_URLS',
    option: 'cleanUrls',
    text: '/about is about.html',
  },
  {
    flags: '--cors [origin]',
    env: 'REACTOR_CORS',
    option: 'cors',
    text: 'let pages of every origin read the files, or those of this one',
  },
  {
    flags: '--cache-control <value>',
    env: 'REACTOR_CACHE_CONTROL',
    option: 'cacheControl',
    text: 'Cache-Control of the files; false sends none',
    byDefault: 'no-cache',
  },
  {
    flags: '--immutable',
    env: 'REACTOR_IMMUTABLE',
    option: 'immutable',
    text: 'names with a hash, such as app-BxK3s9aQ.js, may be cached for a year',
  },
  {
    flags: '--dotfiles',
    env: 'REACTOR_DOTFILES',
    option: 'dotfiles',
    text: 'serve names that begin with a dot; .well-known always is',
  },
  {
    flags: '--no-compress',
    env: 'REACTOR_NO_COMPRESS',
    option: 'compress',
    text: 'send files as they are; those with .br, .zst or .gz beside them are still sent so',
  },
];

type Env = Readonly<Record<string, string | undefined>>;
type Given = Readonly<Record<string, unknown>>;

export function addFilesFlags(command: Command): void {
  for (const { flags, env, text, byDefault } of FILES_FLAGS) {
    const note = byDefault === undefined ? env : `default ${byDefault}; ${env}`;
    command.addOption(new Option(flags, `${text} (${note})`).helpGroup(FILES));
  }
}

/** What `serve` is to serve: a folder, a module, or the built-in application if neither is there. */
export interface Target {
  /** As the user wrote it. */
  readonly folder?: string;
  readonly module?: string;
  /** The flags, without a folder that was taken for the value of one. */
  readonly flags: Given;
}

/** Flags whose value may be left out, but for those of folders: a file that is there is the module. */
const BEFORE_MODULE = ['trace'];

/**
 * What the argument names. A folder is served as files, anything else is a module.
 *
 * A flag takes the folder for its value in `serve --spa ./public`, which is meant as `serve ./public
 * --spa`, and the module in `serve --trace app.mjs`.
 * @throws {ReactorError} names a flag that needs a folder, where there is none
 */
export function targetOf(argument: string | undefined, given: Given): Target {
  if (argument === undefined) {
    const flag = FILES_FLAGS.find(
      (flag) => flag.flags.includes('[') && isFolder(given[nameOf(flag)]),
    );
    if (flag !== undefined) {
      const name = nameOf(flag);
      return { folder: String(given[name]), flags: { ...given, [name]: true } };
    }
    const before = BEFORE_MODULE.find((name) => isThere(given[name]));
    if (before !== undefined) {
      return targetOf(String(given[before]), { ...given, [before]: true });
    }
  } else if (isFolder(argument)) {
    return { folder: argument, flags: given };
  }
  const flag = FILES_FLAGS.find((flag) => isGiven(flag, given));
  if (flag !== undefined) {
    const what = argument === undefined ? '' : `, and ${JSON.stringify(argument)} is not one`;
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${longOf(flag)} needs a folder to serve, such as reactor-rs serve ./public ${longOf(flag)}${what}`,
    );
  }
  return argument === undefined ? { flags: given } : { module: argument, flags: given };
}

/** The routes that serve a folder, as the flags and the environment have it. */
export function routesOf(folder: string, given: Given, env: Env): Record<string, unknown> {
  const route: Record<string, unknown> = { dir: folder };
  for (const flag of FILES_FLAGS) {
    const spelled = sourceOf(flag, given, env);
    if (spelled !== undefined) {
      route[flag.option] = meantBy(flag, spelled);
    }
  }
  return { '/*': route };
}

/** An error about an option of the folder, with the flag or the variable that the user wrote. */
export function withFlagName(error: unknown, given: Given): unknown {
  if (!(error instanceof ReactorError) || error.code !== 'ERR_REACTOR_INVALID_ROUTE') {
    return error;
  }
  const [, option, rest] =
    /^route "\/\*" has a wrong "(\w+)": it (must be .*)$/s.exec(error.message) ?? [];
  const flag = FILES_FLAGS.find((flag) => flag.option === option);
  return flag === undefined
    ? error
    : new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `${isGiven(flag, given) ? longOf(flag) : flag.env} ${rest}`,
        { cause: error },
      );
}

/** What the flag or its variable says: `true` for a flag without a value. */
function sourceOf(flag: FilesFlag, given: Given, env: Env): string | true | undefined {
  if (isGiven(flag, given)) {
    const value = given[nameOf(flag)];
    return typeof value === 'string' ? value : true;
  }
  return env[flag.env] || undefined;
}

function isGiven(flag: FilesFlag, given: Given): boolean {
  const value = given[nameOf(flag)];
  return isNegative(flag) ? value === false : value !== undefined;
}

function meantBy(flag: FilesFlag, spelled: string | true): unknown {
  const isYes = spelled === true || /^(?:true|1)$/.test(spelled);
  const isNo = spelled !== true && /^(?:false|0)$/.test(spelled);
  if (isYes || isNo) {
    return isNegative(flag) ? isNo : isYes;
  }
  if (!/[[<]/.test(flag.flags)) {
    throw invalid(flag.env, 'true or false', spelled);
  }
  return spelled;
}

function isNegative({ flags }: FilesFlag): boolean {
  return flags.startsWith('--no-');
}

function longOf({ flags }: FilesFlag): string {
  return flags.split(' ')[0] as string;
}

/** The name by which the parser of the command line knows it. */
function nameOf({ flags }: FilesFlag): string {
  return new Option(flags).attributeName();
}

/** Whether text is a path that leads somewhere. */
function isThere(given: unknown): boolean {
  return typeof given === 'string' && given !== '' && existsSync(given);
}

function isFolder(given: unknown): boolean {
  const path = filePath(given);
  return path !== undefined && (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
}
