import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as Native from '../index.js';
import { ReactorError } from './errors.js';

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

/** The native binding. This is the only file that loads it. */
export const binding: typeof Native = load();

function load(): typeof Native {
  const require = createRequire(import.meta.url);
  const target = `${process.platform}-${process.arch}-gnu`;
  const file = fileURLToPath(new URL(`../reactor-rs.${target}.node`, import.meta.url));
  if (!existsSync(file)) {
    throw new ReactorError(
      'ERR_REACTOR_BINDING',
      `reactor-rs has no native binding for ${target}: ${file} does not exist; build it with "npm run build" in the source tree`,
    );
  }
  try {
    return require(file) as typeof Native;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ReactorError(
      'ERR_REACTOR_BINDING',
      `reactor-rs cannot load its native binding ${file}: ${reason}`,
      { cause: error },
    );
  }
}
