import { statSync } from 'node:fs';
import { sep } from 'node:path';
import { passedOn } from '../options/activation.js';

// Read before a module runs, which may change environment, folder and arguments: a successor gets
// what this process was given.

/** The environment variable that tells a process of what it goes on with. */
const VARIABLE = 'REACTOR_GENERATION';

/** A listening socket, as one process gives it to the next. */
export interface GivenListener {
  /** What tells it apart from the others: the address as the options name it. */
  readonly key: string;
  readonly fd: number;
}

/** What a process was started with by its predecessor, or by its supervisor. */
export interface Given {
  readonly listeners: readonly GivenListener[];
  /** The descriptor that hears when this process serves. */
  readonly ready: number;
  /** Whether a supervisor has started it. */
  readonly isSupervised: boolean;
}

/** How this command was started. */
export interface Origin {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What this process goes on with; `undefined` if it is the first of its kind. */
export const given: Given | undefined = take();

export const origin: Origin = read();

/** The environment of a successor. */
export function environmentWith(next: Given): NodeJS.ProcessEnv {
  return { ...origin.env, ...passedOn(), [VARIABLE]: JSON.stringify(next) };
}

/** Children of the program must not see the variable. */
function take(): Given | undefined {
  const text = process.env[VARIABLE];
  delete process.env[VARIABLE];
  if (!text) {
    return undefined;
  }
  try {
    const { listeners, ready, isSupervised } = JSON.parse(text) as Given;
    return Array.isArray(listeners) && Number.isInteger(ready)
      ? { listeners, ready, isSupervised: isSupervised === true }
      : undefined;
  } catch {
    // Another program's variable.
    return undefined;
  }
}

function read(): Origin {
  const physical = process.cwd();
  const cwd = logicalFolder(physical, process.env.PWD);
  const [, script = '', ...rest] = process.argv;
  const inFolder = script.startsWith(physical + sep);
  const file = inFolder ? cwd + script.slice(physical.length) : script;
  // Those belong to this process: descriptors that it was given, and whose pulse is awaited.
  const { LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, WATCHDOG_PID, ...env } = process.env;
  return { file: process.execPath, args: [...process.execArgv, file, ...rest], cwd, env };
}

/**
 * The working folder with its symbolic links: deploys often swap a link named `current`, and the
 * successor is to run what it leads to by then.
 */
function logicalFolder(physical: string, shown: string | undefined): string {
  try {
    const [one, other] = [statSync(physical), statSync(shown ?? physical)];
    return shown !== undefined && one.dev === other.dev && one.ino === other.ino ? shown : physical;
  } catch {
    return physical;
  }
}
