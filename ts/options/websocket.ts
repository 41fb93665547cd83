import { ReactorError } from '../errors/errors.js';
import type { WebSocketHandlers, WebSocketOptions } from '../types/websocket.js';
import { originCheck } from '../websocket/origin.js';
import {
  DEDICATED,
  DROP,
  SHARED,
  settingsWith,
  TERMINATE,
  UNCOMPRESSED,
} from '../websocket/settings.js';
import type { ResolvedWebSocket } from '../websocket/web-sockets.js';
import { asObject, checked, invalid, refuseUnknown } from './check.js';
import { boolean, integer, oneOf, type Rule } from './rules.js';

const DAY_S = 86_400;
const MOST_BYTES = 2 ** 31;

const HANDLERS = ['open', 'reopen', 'message', 'close', 'drain', 'ping', 'pong', 'error'] as const;

const RULES = {
  maxPayloadLength: integer(1, MOST_BYTES, 16 * 1024 * 1024),
  idleTimeout: seconds(0, 120),
  sendPings: boolean(true),
  messageTimeout: seconds(1, 60),
  closeTimeout: seconds(1, 30),
  backpressureLimit: integer(1024, MOST_BYTES, 16 * 1024 * 1024),
  whenFull: oneOf(['drop', 'close'], 'drop'),
  closeOnBackpressureLimit: boolean(false),
  publishToSelf: boolean(false),
};

const NAMES = [
  ...HANDLERS,
  ...Object.keys(RULES),
  'data',
  'origin',
  'protocols',
  'perMessageDeflate',
];

/** What is done when no more may wait, by the name in the option. */
const WHEN_FULL = { drop: DROP, close: TERMINATE };

/** Bun's names of compressors, and what they are here. */
const COMPRESSORS: Readonly<Record<string, number>> = {
  disable: UNCOMPRESSED,
  shared: SHARED,
  dedicated: DEDICATED,
  '3KB': DEDICATED,
  '4KB': DEDICATED,
  '8KB': DEDICATED,
  '16KB': DEDICATED,
  '32KB': DEDICATED,
  '64KB': DEDICATED,
  '128KB': DEDICATED,
  '256KB': DEDICATED,
};

const COMPRESSOR = `true, false or one of ${Object.keys(COMPRESSORS)
  .map((name) => JSON.stringify(name))
  .join(', ')}`;

const DEFLATE = { level: integer(1, 9, 1), threshold: integer(0, MOST_BYTES, 64) };

/** Names of other servers, with where their meaning lives here. */
const ADVICE: Readonly<Record<string, string>> = {
  maxPayload: 'it is called "maxPayloadLength" here',
  maxMessageSize: 'it is called "maxPayloadLength" here',
  maxBackpressure: 'it is called "backpressureLimit" here',
  compression: 'it is called "perMessageDeflate" here',
  upgrade: 'a handler upgrades: fetch(request, server) { server.upgrade(request); }',
  onMessage: 'it is called "message" here',
  onOpen: 'it is called "open" here',
  onClose: 'it is called "close" here',
  onError: 'it is called "error" here',
  handleProtocols: 'give "protocols", or choose one in "upgrade"',
  verifyClient:
    'look at the request in "fetch" before "upgrade"; for pages of other sites give "origin"',
};

/** Checks the `websocket` option; `undefined` if there is none. */
export function resolveWebSocket(given: unknown): ResolvedWebSocket | undefined {
  if (given === undefined) {
    return undefined;
  }
  const options = asObject(
    'option "websocket"',
    given,
    'an object with handlers, such as "message"',
  );
  for (const name of Object.keys(options)) {
    const advice = Object.hasOwn(ADVICE, name) ? ADVICE[name] : undefined;
    if (advice !== undefined) {
      throw new ReactorError(
        'ERR_REACTOR_UNKNOWN_OPTION',
        `unknown option "websocket.${name}": ${advice}`,
      );
    }
  }
  refuseUnknown(options, NAMES, 'websocket.');
  for (const name of HANDLERS) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw invalid(`option "websocket.${name}"`, 'a function', options[name]);
    }
  }
  const value = <K extends keyof typeof RULES>(name: K) =>
    checked<unknown>(RULES[name], `option "websocket.${name}"`, options[name]) as ReturnType<
      (typeof RULES)[K]['fallback']
    >;
  const whenFull = value('whenFull');
  return {
    handlers: options as WebSocketHandlers,
    settings: settingsWith({
      maxPayload: value('maxPayloadLength'),
      idleTimeout: Math.ceil(value('idleTimeout') * 1000),
      sendPings: value('sendPings'),
      messageTimeout: Math.ceil(value('messageTimeout') * 1000),
      closeTimeout: Math.ceil(value('closeTimeout') * 1000),
      maxUnsent: value('backpressureLimit'),
      whenFull: value('closeOnBackpressureLimit') ? TERMINATE : WHEN_FULL[whenFull],
      tellPings: options.ping !== undefined || options.pong !== undefined,
      ...compressionOf(options.perMessageDeflate),
    }),
    isAllowed: originCheck(originsOf(options.origin)),
    protocols: protocolsOf(options.protocols),
    publishesToSelf: value('publishToSelf'),
  };
}

function compressionOf(given: unknown) {
  const name = 'websocket.perMessageDeflate';
  if (given === undefined || typeof given === 'boolean') {
    return { compression: given === true ? SHARED : UNCOMPRESSED };
  }
  const options = asObject(`option "${name}"`, given, 'true, false or an object');
  refuseUnknown(options, ['compress', 'decompress', 'level', 'threshold'], `${name}.`);
  compressorOf(`${name}.decompress`, options.decompress);
  const rule = (key: 'level' | 'threshold') =>
    checked(DEFLATE[key], `option "${name}.${key}"`, options[key]);
  return {
    compression: compressorOf(`${name}.compress`, options.compress),
    level: rule('level'),
    threshold: rule('threshold'),
  };
}

function compressorOf(name: string, given: unknown): number {
  if (given === undefined || given === true) {
    return SHARED;
  }
  if (given === false) {
    return UNCOMPRESSED;
  }
  const compressor =
    typeof given === 'string' && Object.hasOwn(COMPRESSORS, given) ? COMPRESSORS[given] : undefined;
  if (compressor === undefined) {
    throw invalid(`option "${name}"`, COMPRESSOR, given);
  }
  return compressor;
}

function originsOf(given: unknown): WebSocketOptions['origin'] {
  if (given === undefined || typeof given === 'function') {
    return given as WebSocketOptions['origin'];
  }
  const list = Array.isArray(given) ? given : [given];
  for (const each of list) {
    if (!(each instanceof RegExp) && !isOrigin(each)) {
      throw invalid(
        'option "websocket.origin"',
        '"same-origin", an origin such as "https://example.com", a pattern, several of them or a function',
        each,
      );
    }
  }
  return given as WebSocketOptions['origin'];
}

/** A scheme, a host and perhaps a port, as browsers send them. */
function isOrigin(given: unknown): boolean {
  if (typeof given !== 'string') {
    return false;
  }
  if (given === 'same-origin' || given === '*' || given === 'null') {
    return true;
  }
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/i.test(given);
}

function protocolsOf(given: unknown): readonly string[] | null {
  if (given === undefined) {
    return null;
  }
  // A token of RFC 9110 §5.6.2.
  if (
    !Array.isArray(given) ||
    !given.every((each) => typeof each === 'string' && /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(each))
  ) {
    throw invalid('option "websocket.protocols"', 'names of subprotocols', given);
  }
  return given as readonly string[];
}

function seconds(min: number, fallback: number): Rule<number> {
  return {
    fallback: () => fallback,
    allowed: `a number of seconds from ${min} to ${DAY_S}`,
    accepts: (value): value is number =>
      typeof value === 'number' && value >= min && value <= DAY_S,
    fromText: Number,
  };
}
