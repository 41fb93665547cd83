import { existsSync } from 'node:fs';
import { join, normalize } from 'node:path';
import type * as Native from '../../index.js';
import bindings from '../bindings.cjs';
import { ReactorError } from '../errors/errors.js';
import { packageRoot, requireHere, requireThere } from './place.js';
import { here, targetOf } from './platform.js';
import { VERSION } from './version.js';

export type {
  NativeAccessLog,
  NativeAddress,
  NativeBench,
  NativeBenchOptions,
  NativeBenchTls,
  NativeBenchWebSocket,
  NativeBound,
  NativeCompress,
  NativeContext,
  NativeEndpoint,
  NativeField,
  NativeFileFields,
  NativeFiles,
  NativeHealth,
  NativeLane,
  NativeListen,
  NativeNames,
  NativeOptions,
  NativePem,
  NativeRoute,
  NativeServer,
  NativeTls,
  NativeTlsEntry,
  NativeTuning,
} from '../../index.js';

/** The platform's package is called this plus the target. */
const PACKAGE_PREFIX = '@reactor-rs/binding-';

let loaded: typeof Native | undefined;

/**
 * The native binding, loaded on the first call, so that the package can be imported on any
 * platform. Only this file loads it.
 *
 * In a checkout it is the binding that was built there. Elsewhere it is that of the platform's
 * package, which must have the same version.
 *
 * @throws {ReactorError} `ERR_REACTOR_PLATFORM`, `ERR_REACTOR_BINDING`.
 */
export function binding(): typeof Native {
  loaded ??= load(targetOf(here));
  return loaded;
}

/**
 * The binding's file, if there is one; a bundler may have copied it. Threads must load the same
 * file, or the server would not know their lanes.
 */
export function bindingFile(): string | undefined {
  const native = binding();
  const modules = Object.values(requireHere.cache);
  return modules.find((module) => module?.exports === native)?.filename;
}

/** Loads the binding from this file, on a thread. */
export function useBinding(file: string | undefined): void {
  if (file !== undefined) {
    loaded = open(requireHere, file);
  }
}

function load(target: string): typeof Native {
  const written = bindings[target] as Way;
  const root = packageRoot();
  const local = localFile(written.local, root, target);
  if (local !== undefined && existsSync(local)) {
    return open(requireHere, local);
  }
  const name = PACKAGE_PREFIX + target;
  const found = fromPackage(name, [written, byName(requireThere(root), name)]);
  if (typeof found === 'object') {
    return found;
  }
  let problem: string;
  if (found !== undefined) {
    problem = `${found} is installed; "npm install reactor-rs@${VERSION}" gets the right one`;
  } else if (root !== undefined && existsSync(join(root, 'Cargo.toml'))) {
    problem = `which is not installed, or ${local}, which "npm run build" makes`;
  } else {
    problem = MISSING;
  }
  const needs = `reactor-rs ${VERSION} needs the package ${name}@${VERSION}, `;
  throw new ReactorError('ERR_REACTOR_BINDING', needs + problem);
}

type Way = (typeof bindings)[string];
type Attempt = ReturnType<Way['binding']>;

/**
 * The binding from a platform's package. If the package has another version, that version; if no
 * way finds the package, nothing.
 */
function fromPackage(
  name: string,
  ways: readonly Pick<Way, 'manifest' | 'binding'>[],
): typeof Native | string | undefined {
  let failure: unknown;
  for (const way of ways) {
    const manifest = way.manifest();
    if ('exports' in manifest) {
      const { version } = manifest.exports as { version: string };
      if (version !== VERSION) {
        return version;
      }
    }
    const attempt = 'exports' in manifest ? way.binding() : manifest;
    if ('exports' in attempt) {
      return attempt.exports as typeof Native;
    }
    if (!isNotHere(attempt.error)) {
      throw unusable(name, attempt.error);
    }
    failure = 'exports' in manifest ? attempt.error : failure;
  }
  if (failure !== undefined) {
    throw unusable(name, failure);
  }
  return undefined;
}

/**
 * Whether another way may find it: this `require` does not find the package, or there is no
 * `require`, as in a bundle that is an ES module. Errors of the latter kind have no code.
 */
function isNotHere(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || code === 'MODULE_NOT_FOUND';
}

/** The way by a computed name, which a bundler cannot follow. */
function byName(require: NodeJS.Require, name: string): Pick<Way, 'manifest' | 'binding'> {
  const attempt = (id: string): Attempt => {
    try {
      return { exports: require(id) };
    } catch (error) {
      return { error };
    }
  };
  return { manifest: () => attempt(`${name}/package.json`), binding: () => attempt(name) };
}

/** The path of a checkout's own build. A bundle also looks beside its folder. */
function localFile(
  beside: () => string,
  root: string | undefined,
  target: string,
): string | undefined {
  try {
    const file = normalize(beside());
    if (existsSync(file)) {
      return file;
    }
  } catch {
    // An ES module has no `__dirname`.
  }
  return root === undefined ? undefined : join(root, `reactor-rs.${target}.node`);
}

/** Why a platform's package may be missing, and how to get it. */
const MISSING =
  'which is not installed; --omit=optional or --no-optional leaves it out, and so does a lock file or a node_modules folder from another platform; "npm install --include=optional" gets it, in the latter cases once node_modules and the lock file have been removed';

/** @param id the path of a binding, or the name of its package */
function open(require: NodeJS.Require, id: string): typeof Native {
  try {
    return require(id) as typeof Native;
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
