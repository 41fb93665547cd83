import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';

/** An option under another server's name. It means exactly what one or more options here do. */
interface Alias {
  readonly options: readonly string[];
  /** Completes "must be …", if it is not the allowed values of the option itself. */
  readonly allowed?: string;
  /** Converts the value; `undefined` if it is wrong. */
  readonly value?: (given: unknown) => unknown;
}

/** The longest `idleTimeout`, in seconds: a day. */
const DAY_S = 86_400;

const ALIASES: Readonly<Record<string, Alias>> = {
  // node:net, Fastify, Vite and nearly all others.
  host: { options: ['hostname'] },
  // Deno.
  handler: { options: ['fetch'] },
  onError: { options: ['error'] },
  tcpBacklog: { options: ['backlog'] },
  // Bun.
  static: {
    options: ['routes'],
    allowed:
      'a plain object of paths and responses; for a folder write routes: { "/*": { dir: "./public" } }',
    value: (given) => (typeof given === 'object' && given !== null ? given : undefined),
  },
  maxRequestBodySize: { options: ['limits.body'] },
  // Neither side sends anything on the connection.
  idleTimeout: {
    options: ['timeouts.keepAlive', 'timeouts.body', 'timeouts.write'],
    allowed: `a number of seconds from 0 to ${DAY_S}, where 0 is a day`,
    value: (seconds) =>
      typeof seconds === 'number' && seconds >= 0 && seconds <= DAY_S
        ? Math.ceil((seconds || DAY_S) * 1000)
        : undefined,
  },
  // @hono/node-server.
  overrideGlobalObjects: { options: ['globals'] },
};

/** The names of all aliases. */
export const ALIAS_NAMES: readonly string[] = Object.keys(ALIASES);

/**
 * The options, with each alias replaced by the option that it means.
 * @param check refuses a wrong value, and names the alias that the user wrote
 * @throws {ReactorError} if both names are given.
 */
export function withoutAliases(
  given: Readonly<Record<string, unknown>>,
  check: (option: string, label: string, value: unknown) => void,
): Record<string, unknown> {
  const options: Record<string, unknown> = { ...given };
  for (const name of ALIAS_NAMES) {
    if (!Object.hasOwn(given, name)) {
      continue;
    }
    delete options[name];
    const value = given[name];
    if (value === undefined) {
      continue;
    }
    const alias = ALIASES[name] as Alias;
    const ours = alias.value === undefined ? value : alias.value(value);
    if (alias.allowed !== undefined && ours === undefined) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `option "${name}" must be ${alias.allowed}, got ${inspect(value)}`,
      );
    }
    for (const option of alias.options) {
      check(option, `option "${name}"`, ours);
      set(options, option, ours, name, alias.options.length > 1);
    }
  }
  return options;
}

/** @param isMany the alias sets several options; one that is given by its own name wins */
function set(
  options: Record<string, unknown>,
  option: string,
  value: unknown,
  name: string,
  isMany: boolean,
): void {
  const [outer, inner] = option.split('.') as [string, string?];
  const before = options[outer];
  if (inner === undefined) {
    if (before !== undefined) {
      throw twice(name, option);
    }
    options[outer] = value;
    return;
  }
  if (before !== undefined && (typeof before !== 'object' || before === null)) {
    // A wrong value is refused later, under the option's own name.
    return;
  }
  const nested = { ...(before as Record<string, unknown> | undefined) };
  if (nested[inner] === undefined) {
    nested[inner] = value;
  } else if (!isMany) {
    throw twice(name, option);
  }
  options[outer] = nested;
}

function twice(name: string, option: string): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `options "${name}" and "${option}" mean the same: give one of them`,
  );
}
