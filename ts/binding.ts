import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type * as Native from '../index.js';
import { ReactorError } from './errors.js';
import { here, targetOf } from './platform.js';
import requireHere from './require.cjs';

export type {
  NativeAccessLog,
  NativeAddress,
  NativeBench,
  NativeBenchOptions,
  NativeField,
  NativeLane,
  NativeListen,
  NativeOptions,
  NativeRoute,
  NativeServer,
} from '../index.js';

/** What brings a platform's package; its name is this and the target's. */
const PACKAGE_PREFIX = '@reactor-rs/binding-';

let loaded: typeof Native | undefined;

/**
 * The native binding, loaded by the first call: so this package can be imported
 * where there is none. This is the only file that loads it.
 *
 * In a checkout it is the one that was built there, elsewhere that of the
 * platform's package, which must have the version of this one.
 *
 * @throws {ReactorError} `ERR_REACTOR_PLATFORM`, `ERR_REACTOR_BINDING`.
 */
export function binding(): typeof Native {
  loaded ??= load(targetOf(here));
  return loaded;
}

function load(target: string): typeof Native {
  const manifest = requireHere.resolve('../package.json');
  const root = dirname(manifest);
  const local = join(root, `reactor-rs.${target}.node`);
  if (existsSync(local)) {
    return open(local);
  }
  const name = PACKAGE_PREFIX + target;
  const { version } = requireHere(manifest) as { version: string };
  const found = versionOf(name);
  if (found === version) {
    return open(name);
  }
  let problem: string;
  if (found !== undefined) {
    problem = `${found} is installed; "npm install reactor-rs@${version}" gets the right one`;
  } else if (existsSync(join(root, 'Cargo.toml'))) {
    problem = `which is not installed, or ${local}, which "npm run build" makes`;
  } else {
    problem = MISSING;
  }
  const needs = `reactor-rs ${version} needs the package ${name}@${version}, `;
  throw new ReactorError('ERR_REACTOR_BINDING', needs + problem);
}

/** Why a platform's package may not be there, and how to get it. */
const MISSING =
  'which is not installed; --omit=optional or --no-optional leaves it out, and so does a lock file or a node_modules folder from another platform; "npm install --include=optional" gets it, in the latter cases once node_modules and the lock file have been removed';

/** The version of an installed package. */
function versionOf(name: string): string | undefined {
  try {
    return (requireHere(`${name}/package.json`) as { version: string }).version;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') {
      return undefined;
    }
    throw unusable(name, error);
  }
}

/** @param id the path of a binding, or the name of a package that is one */
function open(id: string): typeof Native {
  try {
    return requireHere(id) as typeof Native;
  } catch (error) {
    throw unusable(id, error);
  }
}

function unusable(id: string, cause: unknown): ReactorError {
  const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
  return new ReactorError(
    'ERR_REACTOR_BINDING',
    `reactor-rs cannot load its native binding ${id}: ${reason}`,
    { cause },
  );
}
