import { type Command, Option } from 'commander';
import { ReactorError } from '../errors/errors.js';
import { DAY_MS, time } from '../options/rules.js';
import type { GenerationFlags } from './generations.js';

const VARIABLE = 'REACTOR_RELOAD_TIMEOUT';

/** Adds the flags about successors to `serve`. */
export function addGenerationFlags(serve: Command): void {
  const add = (option: Option) => serve.addOption(option.helpGroup('Deploys:'));
  add(
    new Option(
      '--reload-timeout <time>',
      `for the successor that SIGUSR2 starts, until it serves (1 to ${DAY_MS} ms, or such as 90s; default 60s; ${VARIABLE})`,
    ),
  );
  // The process that reads this is not the supervisor: bin.ts has started it before.
  add(
    new Option(
      '--supervise',
      'serve in a process of its own, and start another when it crashes; default as process 1 (REACTOR_SUPERVISE=true)',
    ),
  );
  add(
    new Option(
      '--no-supervise',
      'serve in this process, as process 1 too (REACTOR_SUPERVISE=false)',
    ),
  );
}

/**
 * What the flags and the environment say of successors.
 * @throws {ReactorError} names the flag or variable, and what it accepts.
 */
export function readGenerationFlags(
  given: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Pick<GenerationFlags, 'reloadTimeout'> {
  if (given.watch === true && given.supervise === true && process.argv.includes('--supervise')) {
    throw usage(
      '--supervise cannot be given together with --watch: one is for production, the other for development',
    );
  }
  const { [VARIABLE]: variable, REACTOR_SUPERVISE: supervise } = env;
  if (supervise && !/^(true|false|1|0)$/.test(supervise)) {
    throw usage(`REACTOR_SUPERVISE must be true or false, got "${supervise}"`);
  }
  const { reloadTimeout: flag = variable } = given as { reloadTimeout?: string };
  if (!flag) {
    return {};
  }
  const { accepts, fromText, spelled } = time(1, DAY_MS);
  const ms = fromText(flag);
  if (!accepts(ms)) {
    const label = flag === variable ? VARIABLE : '--reload-timeout';
    throw usage(`${label} must be ${spelled}, not "${flag}"`);
  }
  return { reloadTimeout: ms };
}

function usage(message: string): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_OPTION', message);
}
