import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type Command, Option } from 'commander';
import { type BenchRun, startBench } from '../bench/bench.js';
import {
  type BenchOptionName,
  parseBenchOption,
  parseHeader,
  type ResolvedBench,
  resolveBench,
} from '../bench/options.js';
import type { BenchOptions, BenchProgress, BenchResult } from '../bench/types.js';
import { WEBSOCKET_RULES } from '../bench/websocket.js';
import { ReactorError } from '../errors/errors.js';
import { invalid, parsed } from '../options/check.js';
import type { Rule } from '../options/rules.js';
import { renderProgress, renderReport } from './bench-report.js';
import { fail } from './output.js';
import { BENCH_EXAMPLES } from './usage.js';

/** One flag of `bench` that stands for an option of the API. */
interface Flag {
  readonly flags: string;
  readonly option: BenchOptionName;
  readonly text: string;
  readonly group: string;
  /** The value of the flag without one. */
  readonly preset?: string;
}

const LOAD = 'Load:';
const REQUEST = 'Request:';
const JUDGEMENT = 'Judgement:';
const TLS = 'TLS, for https:// and wss:// URLs:';
const WEBSOCKET = 'WebSocket, for ws:// and wss:// URLs:';

const FLAGS: readonly Flag[] = [
  {
    flags: '-t, --threads <n>',
    option: 'threads',
    text: 'client threads (1 to 64; default 1)',
    group: LOAD,
  },
  {
    flags: '-c, --connections <n>',
    option: 'connections',
    text: 'connections over all threads (1 to 65535; default 64)',
    group: LOAD,
  },
  {
    flags: '-d, --duration <time>',
    option: 'duration',
    text: 'such as 500ms, 10s, 2m; seconds without a unit (default 10s, or no end with -n)',
    group: LOAD,
  },
  {
    flags: '-n, --requests <n>',
    option: 'requests',
    text: 'end after exactly so many requests',
    group: LOAD,
  },
  {
    flags: '--pipeline <n>',
    option: 'pipeline',
    text: 'requests, or messages, out at once on a connection (1 to 1024; default 1)',
    group: LOAD,
  },
  {
    flags: '--streams <n>',
    option: 'streams',
    text: 'the same for --http2: streams of a connection (1 to 10000; default 10)',
    group: LOAD,
  },
  {
    flags: '-R, --rate <n>',
    option: 'rate',
    text: 'requests a second, whatever the server does (1 to 10000000; default: as many as it answers)',
    group: LOAD,
  },
  {
    flags: '--warmup <time>',
    option: 'warmup',
    text: 'load before what is counted (default 0s)',
    group: LOAD,
  },
  {
    flags: '--timeout <time>',
    option: 'timeout',
    text: 'for a connection, and for an answer (default 5s)',
    group: LOAD,
  },
  {
    flags: '--unix <path>',
    option: 'unix',
    text: 'connect to this socket, @name to an abstract one; the URL gives Host and path',
    group: REQUEST,
  },
  {
    flags: '--proxy-protocol [version]',
    option: 'proxyProtocol',
    text: 'begin each connection with a header of the PROXY protocol, v1 or v2 (default v2)',
    group: REQUEST,
    preset: 'v2',
  },
  {
    flags: '-m, --method <name>',
    option: 'method',
    text: 'method (default GET)',
    group: REQUEST,
  },
  {
    flags: '--expect-status <n>',
    option: 'expectStatus',
    text: 'the one right status (100 to 999; default: any from 200 to 399)',
    group: JUDGEMENT,
  },
];

const HEADER = new Option('-H, --header <line>', 'such as "Accept: text/plain"; may be repeated');
const BODY = new Option('-b, --body <text>', 'body, or message; @FILE is what the file holds');
/** Flags whose value is an option below `tls`. */
const TLS_FLAGS = [
  {
    flags: '--cacert <file>',
    option: 'ca',
    text: "authorities that may have signed the server's certificate (default: Node's list)",
  },
  { flags: '--cert <file>', option: 'cert', text: "the client's certificate" },
  { flags: '--key <file>', option: 'key', text: 'its private key' },
  { flags: '--tls-version <n>', option: 'version', text: '1.2 or 1.3 only (default: both)' },
  {
    flags: '--ciphers <list>',
    option: 'ciphers',
    text: 'names with colons between (default: all, AES-128 first)',
  },
] as const;

/** Flags whose value is an option below `webSocket`. */
const WEBSOCKET_FLAGS = [
  {
    flags: '--size <n>',
    option: 'size',
    text: 'bytes of a message (1 to 67108864; default 20; or give one with -b)',
  },
  { flags: '--binary', option: 'binary', text: 'binary messages instead of text' },
  { flags: '--compress', option: 'compress', text: 'with permessage-deflate' },
  {
    flags: '--subscribers <n>',
    option: 'subscribers',
    text: 'so many wait for what one more connection sends -R times a second (1 to 65534)',
  },
] as const;

const INSECURE = new Option(
  '-k, --insecure',
  "take any certificate; the server's signature is not checked either",
);
const NO_RESUME = new Option('--no-resume', 'a whole handshake for every connection');

const HTTP2 = new Option(
  '--http2',
  'HTTP/2: by ALPN over https://, by prior knowledge over http://',
);
const NO_KEEP_ALIVE = new Option('--no-keepalive', 'a connection for every request');
const EXPECT_BODY = new Option('--expect-body <text>', 'the one right body; @FILE as above');
const MAX_ERRORS = new Option(
  '--max-errors <n>',
  'failed requests, or a share such as 0.1%, beyond which the exit code is 1 (default 0)',
);
const JSON_OUTPUT = new Option('--json', 'print the result as JSON on stdout');

/** The values of flags that are not simply an option. */
interface BenchFlags {
  header?: string[];
  body?: string;
  keepalive: boolean;
  http2?: boolean;
  expectBody?: string;
  maxErrors?: string;
  json?: boolean;
  insecure?: boolean;
  resume: boolean;
}

/** Adds `bench` to the program; `done` gets its exit code. */
export function addBench(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command('bench')
    .description('load an HTTP, HTTPS or WebSocket server and report rate and latency')
    .argument('[url]', 'host:port, or an http://, https://, ws:// or wss:// URL')
    .usage('[options] <url>')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', BENCH_EXAMPLES.trimEnd());
  for (const { flags, text, group, preset } of FLAGS) {
    command.addOption(new Option(flags, text).preset(preset).helpGroup(group));
  }
  for (const { flags, text } of TLS_FLAGS) {
    command.addOption(new Option(flags, text).helpGroup(TLS));
  }
  for (const { flags, text } of WEBSOCKET_FLAGS) {
    command.addOption(new Option(flags, text).helpGroup(WEBSOCKET));
  }
  const collect = (line: string, lines: string[] = []) => [...lines, line];
  command
    .addOption(HEADER.argParser(collect).helpGroup(REQUEST))
    .addOption(BODY.helpGroup(REQUEST))
    .addOption(HTTP2.helpGroup(LOAD))
    .addOption(NO_KEEP_ALIVE.helpGroup(LOAD))
    .addOption(EXPECT_BODY.helpGroup(JUDGEMENT))
    .addOption(MAX_ERRORS.helpGroup(JUDGEMENT))
    .addOption(INSECURE.helpGroup(TLS))
    .addOption(NO_RESUME.helpGroup(TLS))
    .addOption(JSON_OUTPUT)
    .action(async (argument: string | undefined, all: Record<string, unknown>) => {
      const [url, given] = urlOf(argument, all);
      const flags = given as Record<string, unknown> & BenchFlags;
      const limit = readLimit(flags.maxErrors ?? '0');
      const resolved = resolveBench(url, readFlags(flags), labelOf);
      done(await benchCommand(resolved, limit, flags.json === true));
    });
}

/**
 * The URL, and the flags. A flag whose value may be left out takes the URL for it in `bench
 * --proxy-protocol http://…`.
 */
function urlOf(
  argument: string | undefined,
  given: Record<string, unknown>,
): [url: string, flags: Record<string, unknown>] {
  if (argument !== undefined) {
    return [argument, given];
  }
  for (const { flags, option, preset } of FLAGS) {
    const value = given[option];
    if (flags.includes('[') && typeof value === 'string' && /[/:]/.test(value)) {
      return [value, { ...given, [option]: preset }];
    }
  }
  throw new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    'bench needs a URL, such as reactor-rs bench http://localhost:8080/',
  );
}

/** Loads the server; resolves to the exit code. */
async function benchCommand(
  resolved: ResolvedBench,
  limit: ErrorLimit,
  json: boolean,
): Promise<number> {
  const run = await startBench(resolved);
  const live = showProgress(run);
  let interrupted: 'SIGINT' | 'SIGTERM' | undefined;
  const onSignal = (signal: 'SIGINT' | 'SIGTERM') => {
    interrupted = signal;
    run.stop();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  let result: BenchResult;
  try {
    result = await run.result;
  } finally {
    live.end();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : renderReport(result));
  if (interrupted !== undefined) {
    return 128 + constants.signals[interrupted];
  }
  const { errors, requests } = result;
  if (limit.isPassed(errors.total, requests)) {
    return fail(
      1,
      `${errors.total} of ${requests} requests failed, more than --max-errors ${limit.spelled}`,
    );
  }
  return 0;
}

/** A line on the terminal, rewritten twice a second. */
function showProgress(run: BenchRun): { end(): void } {
  if (process.stderr.isTTY !== true) {
    return { end() {} };
  }
  let last: BenchProgress | undefined;
  const ticks = setInterval(() => {
    const progress = run.progress();
    process.stderr.write(`\r\x1b[K${renderProgress(progress, last)}`);
    last = progress;
  }, 500);
  return {
    end() {
      clearInterval(ticks);
      process.stderr.write('\r\x1b[K');
    },
  };
}

/** How many failed requests still count as success. */
interface ErrorLimit {
  readonly spelled: string;
  isPassed(errors: number, requests: number): boolean;
}

function readLimit(spelled: string): ErrorLimit {
  const [, number, percent] = /^(\d{1,15}|\d{1,3}(?:\.\d{1,9})?(%))$/.exec(spelled) ?? [];
  const value = Number.parseFloat(number ?? '');
  if (Number.isNaN(value) || (percent !== undefined && value > 100)) {
    throw invalid('--max-errors', 'a number of requests or a share from 0% to 100%', spelled);
  }
  return {
    spelled,
    isPassed: (errors, requests) =>
      errors > (percent === undefined ? value : (requests * value) / 100),
  };
}

function readFlags(flags: Record<string, unknown> & BenchFlags): BenchOptions {
  const options: Record<string, unknown> = { keepAlive: flags.keepalive };
  if (flags.http2 === true) {
    options.http2 = true;
  }
  for (const flag of FLAGS) {
    const spelled = flags[new Option(flag.flags).attributeName()];
    if (typeof spelled === 'string') {
      if (flag.option === 'method' && /^\d+$/.test(spelled)) {
        // Other clients call streams -m. No method has such a name.
        throw invalid(labelOf('method'), 'a method such as GET (streams are --streams)', spelled);
      }
      options[flag.option] = parseBenchOption(flag.option, labelOf(flag.option), spelled);
    }
  }
  if (flags.header !== undefined) {
    const headers: Record<string, string[]> = Object.create(null);
    for (const line of flags.header) {
      const [name, value] = parseHeader('-H/--header', line);
      headers[name] = [...(headers[name] ?? []), value];
    }
    options.headers = headers;
  }
  for (const name of ['body', 'expectBody'] as const) {
    const spelled = flags[name];
    if (spelled !== undefined) {
      options[name] = spelled.startsWith('@') ? readAll(labelOf(name), spelled.slice(1)) : spelled;
    }
  }
  const tls = readTls(flags);
  const webSocket = readWebSocket(flags);
  return {
    ...options,
    ...(tls === undefined ? {} : { tls }),
    ...(webSocket === undefined ? {} : { webSocket }),
  } as BenchOptions;
}

/** The options below `tls`, if there is a flag for one. */
function readTls(flags: Record<string, unknown> & BenchFlags): Record<string, unknown> | undefined {
  const tls: Record<string, unknown> = {};
  for (const { flags: spelled, option } of TLS_FLAGS) {
    const value = flags[new Option(spelled).attributeName()];
    if (typeof value !== 'string') {
      continue;
    }
    const label = labelOf(`tls.${option}`);
    if (option === 'version') {
      if (value !== '1.2' && value !== '1.3') {
        throw invalid(label, '1.2 or 1.3', value);
      }
      tls.version = `TLSv${value}`;
    } else if (option === 'ciphers') {
      tls.ciphers = value;
    } else {
      // A message about what the file holds names the file, so the path is what is given on.
      readAll(label, value);
      tls[option] = value;
    }
  }
  if (flags.insecure === true) {
    tls.rejectUnauthorized = false;
  }
  if (!flags.resume) {
    tls.resume = false;
  }
  return Object.keys(tls).length === 0 ? undefined : tls;
}

/** The options below `webSocket`, if there is a flag for one. */
function readWebSocket(flags: Record<string, unknown>): Record<string, unknown> | undefined {
  const given: Record<string, unknown> = {};
  for (const { flags: spelled, option } of WEBSOCKET_FLAGS) {
    const value = flags[new Option(spelled).attributeName()];
    if (value === true) {
      given[option] = true;
    } else if (typeof value === 'string') {
      const rule = WEBSOCKET_RULES[option] as Rule<unknown>;
      given[option] = parsed(rule, labelOf(`webSocket.${option}`), value);
    }
  }
  return Object.keys(given).length === 0 ? undefined : given;
}

function readAll(label: string, file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : String(code);
    throw new ReactorError('ERR_REACTOR_INVALID_OPTION', `${label} cannot read "${file}": ${why}`, {
      cause,
    });
  }
}

const LABELS: ReadonlyMap<string, string> = new Map<string, string>([
  ...FLAGS.map((flag) => [flag.option, spelling(new Option(flag.flags))] as const),
  ...TLS_FLAGS.map((flag) => [`tls.${flag.option}`, spelling(new Option(flag.flags))] as const),
  ...WEBSOCKET_FLAGS.map(
    (flag) => [`webSocket.${flag.option}`, spelling(new Option(flag.flags))] as const,
  ),
  ['webSocket', '--size, --binary, --compress or --subscribers'],
  ['keepAlive', spelling(NO_KEEP_ALIVE)],
  ['http2', spelling(HTTP2)],
  ['headers', spelling(HEADER)],
  ['body', spelling(BODY)],
  ['expectBody', spelling(EXPECT_BODY)],
]);

/** The option as the user wrote it. */
function labelOf(option: string): string {
  return LABELS.get(option) ?? `option "${option}"`;
}

function spelling({ short, long }: Option): string {
  return [short, long].filter(Boolean).join('/');
}
