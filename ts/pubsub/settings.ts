import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { PubSub, PubSubOptions } from '../types/pubsub.js';

/** Checked options of a {@link PubSub}, with their defaults. */
export interface PubSubSettings {
  readonly prefix: string;
  readonly backlog: number;
  readonly onGap: NonNullable<PubSubOptions['onGap']> | undefined;
  readonly onError: NonNullable<PubSubOptions['onError']> | undefined;
}

const METHODS = ['connect', 'subscribe', 'unsubscribe', 'publish', 'close'] as const;
const NAMES = ['prefix', 'backlog', 'onGap', 'onError'];

const DEFAULT_PREFIX = 'reactor:';
const DEFAULT_BACKLOG = 16 * 1024 * 1024;
const MOST_PREFIX = 128;

/** The option `pubsub` of `serve`, checked. */
export function resolvePubSub(given: unknown): PubSub | undefined {
  if (given === undefined) {
    return undefined;
  }
  const wanted = 'what redis(client), nats(connection) or an adapter of your own returns';
  if (typeof given !== 'object' || given === null) {
    throw invalid('option "pubsub"', wanted, given);
  }
  if ('duplicate' in given && !('connect' in given && 'options' in given && 'name' in given)) {
    throw invalid('option "pubsub"', `${wanted}, not the client itself`, given);
  }
  for (const name of METHODS) {
    if (typeof (given as Record<string, unknown>)[name] !== 'function') {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `option "pubsub" must be ${wanted}: it has no method "${name}"`,
      );
    }
  }
  const pubsub = given as PubSub;
  resolvePubSubOptions(pubsub.options);
  return pubsub;
}

/** @throws {ReactorError} names the first option that is wrong. */
export function resolvePubSubOptions(given: unknown): PubSubSettings {
  if (given !== undefined && (typeof given !== 'object' || given === null)) {
    throw invalid('options of a pubsub', 'an object', given);
  }
  const options = (given ?? {}) as Record<string, unknown>;
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) {
      throw new ReactorError(
        'ERR_REACTOR_UNKNOWN_OPTION',
        `unknown option "${name}" of a pubsub; it has ${NAMES.join(', ')}`,
      );
    }
  }
  const { prefix = DEFAULT_PREFIX, backlog = DEFAULT_BACKLOG } = options;
  // A pattern's or a separator's character would make it another channel, or none.
  if (
    typeof prefix !== 'string' ||
    prefix.length > MOST_PREFIX ||
    !/^[\w:.\-/{}]*$/.test(prefix) ||
    /^\.|\.\./.test(prefix)
  ) {
    const allowed = `up to ${MOST_PREFIX} letters, digits and :._-/{} without an empty part`;
    throw invalid('option "prefix"', allowed, prefix);
  }
  if (!Number.isSafeInteger(backlog) || (backlog as number) < 0 || (backlog as number) > 2 ** 40) {
    throw invalid('option "backlog"', 'a number of bytes from 0 to 1099511627776', backlog);
  }
  for (const name of ['onGap', 'onError']) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw invalid(`option "${name}"`, 'a function', options[name]);
    }
  }
  return {
    prefix,
    backlog: backlog as number,
    onGap: options.onGap as PubSubSettings['onGap'],
    onError: options.onError as PubSubSettings['onError'],
  };
}

function invalid(label: string, allowed: string, value: unknown): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `${label} must be ${allowed}, got ${inspect(value)}`,
  );
}
