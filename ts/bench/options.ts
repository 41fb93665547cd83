import type { NativeBenchOptions, NativeField } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { TOKEN } from '../fetch/field.js';
import { isAbortSignal } from '../fetch/genuine.js';
import { asObject, checked, invalid, parsed, refuseUnknown } from '../options/check.js';
import { isBytes } from '../options/route-check.js';
import {
  DAY_MS,
  integer,
  oneOf,
  optional,
  type Rule,
  text,
  toMilliseconds,
  unixSocket,
} from '../options/rules.js';
import { isFieldValue } from '../options/static-answer.js';
import { resolveBenchTls } from './tls.js';
import type { BenchOptions, BenchSettings } from './types.js';
import { type ResolvedWebSocket, resolveBenchWebSocket } from './websocket.js';

/** Bounded, because the native client keeps whole copies of the request. */
const MAX_BODY = 64 * 1024 * 1024;

const DEFAULT_DURATION_MS = 10_000;
const DEFAULT_STREAMS = 10;

/** Every option that is a number or a short text, its default and its range. */
const RULES = {
  threads: integer(1, 64, 1),
  connections: integer(1, 65_535, 64),
  duration: optional(duration(1)),
  requests: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  pipeline: integer(1, 1024, 1),
  streams: optional(integer(1, 10_000)),
  rate: optional(integer(1, 10_000_000)),
  warmup: duration(0, 0),
  timeout: duration(1, 5000),
  method: text(
    'a method other than CONNECT, such as GET',
    /^(?!CONNECT$)[\w!#$%&'*+.^`|~-]+$/,
    'GET',
  ),
  expectStatus: optional(integer(100, 999)),
  unix: optional(unixSocket()),
  proxyProtocol: optional(oneOf(['v1', 'v2'], 'v2')),
};

/** The name of an option that has a flag. */
export type BenchOptionName = keyof typeof RULES;

type ValueOf<K extends BenchOptionName> = (typeof RULES)[K] extends Rule<infer T> ? T : never;

const NAMES = [
  ...Object.keys(RULES),
  'keepAlive',
  'http2',
  'headers',
  'body',
  'expectBody',
  'tls',
  'webSocket',
  'signal',
  'onProgress',
];

/** Completes "must be …" for the URL. */
const URL_ALLOWED =
  'host:port or a URL such as http://127.0.0.1:8080/ (http, https, ws or wss, without user name)';

/** Checked options of `bench`. */
export interface ResolvedBench {
  readonly url: string;
  readonly native: NativeBenchOptions;
  readonly settings: BenchSettings;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: BenchOptions['onProgress'];
}

/**
 * Checks the options of `bench` and fills in the defaults. `label` tells how the user wrote an
 * option.
 * @throws {ReactorError} names the first option that is wrong.
 */
export function resolveBench(
  url: unknown,
  given: BenchOptions,
  label: (name: string) => string = (name) => `option "${name}"`,
): ResolvedBench {
  const target = parseUrl(url);
  const options = asObject('options', given);
  refuseUnknown(options, NAMES, '');
  const get = <K extends BenchOptionName>(name: K): ValueOf<K> => {
    return checked<unknown>(RULES[name], label(name), options[name]) as ValueOf<K>;
  };
  const { keepAlive = true, http2 = false, signal, onProgress } = options as BenchOptions;
  for (const [name, value] of Object.entries({ keepAlive, http2 })) {
    if (typeof value !== 'boolean') {
      throw invalid(label(name), 'true or false', value);
    }
  }
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw invalid(label('signal'), 'an AbortSignal', signal);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid(label('onProgress'), 'a function', onProgress);
  }
  const isSecure = target.protocol === 'https:' || target.protocol === 'wss:';
  const webSocket = webSocketOf(target, options, label);
  const connections =
    webSocket?.subscribers === undefined ? get('connections') : webSocket.subscribers + 1;
  const threads = get('threads');
  if (threads > connections) {
    const most = `at most the number of connections, which is ${connections}`;
    throw invalid(label('threads'), most, threads);
  }
  const pipeline = get('pipeline');
  if (pipeline > 1 && !keepAlive) {
    const why = '1 without keep-alive, where a connection carries one request';
    throw invalid(label('pipeline'), why, pipeline);
  }
  const streams = streamsOf(http2, keepAlive, get('streams'), options, label);
  const method = get('method');
  const expectBody = bytes(label('expectBody'), options.expectBody);
  if (method === 'HEAD' && expectBody !== undefined && expectBody.length > 0) {
    throw invalid(label('expectBody'), 'empty for HEAD, whose answers have no body', method);
  }
  const requests = get('requests');
  const duration = get('duration') ?? (requests === undefined ? DEFAULT_DURATION_MS : undefined);
  const rate = get('rate');
  const unix = get('unix');
  const proxyProtocol = get('proxyProtocol');
  const expectStatus = get('expectStatus');
  const warmup = get('warmup');
  const timeout = get('timeout');
  if (!isSecure && options.tls !== undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${label('tls')} is for https:// and wss:// URLs, this is ${inspect(target.href)}`,
    );
  }
  const tls = isSecure ? resolveBenchTls(options.tls, target.hostname, label) : undefined;
  return {
    url: target.href,
    native: {
      ...(unix === undefined ? {} : { unix }),
      ...(proxyProtocol === undefined ? {} : { proxyProtocol: proxyProtocol === 'v1' ? 1 : 2 }),
      hostname: target.hostname,
      port: Number(target.port || (isSecure ? 443 : 80)),
      host: target.host,
      target: target.pathname + target.search,
      method,
      headers: fields(label('headers'), options.headers),
      body: (webSocket ? undefined : bytes(label('body'), options.body)) ?? new Uint8Array(),
      threads,
      connections,
      pipeline,
      keepAlive,
      ...(streams === null ? {} : { streams }),
      ...(duration === undefined ? {} : { duration }),
      ...(requests === undefined ? {} : { requests }),
      ...(rate === undefined ? {} : { rate }),
      warmup,
      timeout,
      ...(expectStatus === undefined ? {} : { expectStatus }),
      ...(expectBody === undefined ? {} : { expectBody }),
      ...(tls === undefined ? {} : { tls }),
      ...(webSocket === undefined ? {} : { webSocket: webSocket.native }),
    },
    settings: {
      threads,
      connections,
      pipeline,
      keepAlive,
      streams,
      resume: tls?.resume ?? null,
      webSocket: webSocket
        ? {
            size: webSocket.native.payload.length,
            binary: webSocket.native.binary,
            compress: webSocket.native.compress,
            subscribers: webSocket.subscribers ?? null,
          }
        : null,
      rate: rate ?? null,
      durationMs: duration ?? null,
      requests: requests ?? null,
      warmupMs: warmup,
      timeoutMs: timeout,
    },
    signal,
    onProgress,
  };
}

/** Streams of a connection of HTTP/2; `null` for HTTP/1.1. */
function streamsOf(
  http2: boolean,
  keepAlive: boolean,
  given: number | undefined,
  { pipeline }: Record<string, unknown>,
  label: (name: string) => string,
): number | null {
  const refuse = (problem: string) => {
    throw new ReactorError('ERR_REACTOR_INVALID_OPTION', problem);
  };
  if (!http2) {
    if (given !== undefined) {
      refuse(`${label('streams')} needs ${label('http2')}: only HTTP/2 has streams`);
    }
    return null;
  }
  if (pipeline !== undefined) {
    refuse(
      `${label('pipeline')} is for HTTP/1.1: with ${label('http2')} it is ${label('streams')}`,
    );
  }
  if (given !== undefined && given > 1 && !keepAlive) {
    const why = '1 without keep-alive, where a connection carries one request';
    throw invalid(label('streams'), why, given);
  }
  return given ?? (keepAlive ? DEFAULT_STREAMS : 1);
}

/** What the URL and the option `webSocket` say of messages. */
function webSocketOf(
  { protocol, href }: URL,
  options: Record<string, unknown>,
  label: (name: string) => string,
): ResolvedWebSocket | undefined {
  const { webSocket: given } = options;
  const refuse = (problem: string) => {
    throw new ReactorError('ERR_REACTOR_INVALID_OPTION', problem);
  };
  if (!protocol.startsWith('ws')) {
    if (given !== undefined) {
      refuse(`${label('webSocket')} is for ws:// and wss:// URLs, this is ${inspect(href)}`);
    }
    return undefined;
  }
  if ((options.method ?? 'GET') !== 'GET') {
    refuse(`${label('method')} must be GET for a WebSocket, got ${inspect(options.method)}`);
  }
  if (options.http2 === true) {
    refuse(`${label('http2')} is for http:// and https:// URLs, this is ${inspect(href)}`);
  }
  if (options.keepAlive === false) {
    refuse(`${label('keepAlive')} must be true for a WebSocket: it is one long connection`);
  }
  if (options.expectStatus !== undefined) {
    refuse(`${label('expectStatus')} is for requests: messages have no status`);
  }
  const webSocket = resolveBenchWebSocket(given, bytes(label('body'), options.body), label);
  if (webSocket.subscribers !== undefined) {
    if (options.rate === undefined) {
      refuse(`${label('webSocket.subscribers')} needs ${label('rate')}: messages a second`);
    }
    for (const name of ['connections', 'pipeline', 'expectBody']) {
      if (options[name] !== undefined) {
        refuse(`${label(name)} and ${label('webSocket.subscribers')} exclude each other`);
      }
    }
  }
  return webSocket;
}

/**
 * The checked value of an option, as a flag spells it.
 * @throws {ReactorError} names the flag, and what it accepts.
 */
export function parseBenchOption(name: BenchOptionName, label: string, spelled: string): unknown {
  return parsed<unknown>(RULES[name], label, spelled);
}

/** Splits a line `Name: value` of a flag. */
export function parseHeader(label: string, line: string): [name: string, value: string] {
  const [, name, value] = /^([^:]+):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
  if (name === undefined || value === undefined || !TOKEN.test(name) || !isFieldValue(value)) {
    throw invalid(label, 'a line such as "Accept: text/plain"', line);
  }
  return [name, value];
}

/** Accepts `localhost:8080/path` for `http://localhost:8080/path`. */
function parseUrl(given: unknown): URL {
  let text = given instanceof URL ? given.href : given;
  if (typeof text === 'string') {
    if (BARE.test(text)) {
      text = `http://${text}`;
    }
    if (/^(?:https?|wss?):\/\/[^/?#\\]/i.test(text as string) && URL.canParse(text as string)) {
      const url = new URL(text as string);
      if (url.username === '' && url.password === '') {
        return url;
      }
    }
  }
  throw invalid('url', URL_ALLOWED, given);
}

/**
 * A host with optional port and path, without scheme and user name. A number alone is more likely a
 * port than an address.
 */
const BARE = /^(?!\d+$)(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?:[/?#]|$)/i;

function fields(label: string, given: unknown): NativeField[] {
  if (given === undefined) {
    return [];
  }
  return Object.entries(asObject(label, given)).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value: unknown) => {
      if (!TOKEN.test(name)) {
        throw invalid(label, 'an object whose names are tokens', name);
      }
      if (typeof value !== 'string' || !isFieldValue(value)) {
        throw invalid(`${label}, ${inspect(name)}`, 'a string without control characters', value);
      }
      return { name, value: Buffer.from(value, 'latin1') };
    }),
  );
}

/** A copy, since the caller may go on writing to its bytes. */
function bytes(label: string, given: unknown): Uint8Array | undefined {
  if (given === undefined) {
    return undefined;
  }
  if (typeof given !== 'string' && !isBytes(given)) {
    throw invalid(label, 'a string or bytes', given);
  }
  const copy = typeof given === 'string' ? Buffer.from(given) : Uint8Array.from(given);
  if (copy.length > MAX_BODY) {
    throw invalid(label, `at most ${MAX_BODY} bytes`, copy.length);
  }
  return copy;
}

/** Milliseconds. On a command line a unit is possible; without one it is seconds. */
function duration(min: number, fallback = min): Rule<number> {
  return {
    ...integer(min, DAY_MS, fallback),
    allowed: `from ${min} to ${DAY_MS} milliseconds (on the command line 500ms, 10s, 2m)`,
    fromText: (spelled) => toMilliseconds(spelled, 1000),
  };
}
