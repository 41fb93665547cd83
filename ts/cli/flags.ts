import type { Command } from 'commander';
import { Option } from 'commander';
import { ReactorError } from '../errors/errors.js';
import { mergedHealth } from '../options/health.js';
import { mergedMetrics } from '../options/metrics.js';
import { dropOtherAddress, spellOut } from '../options/options.js';
import { defaultOf, type OptionName, parseOption, spelledFor } from '../options/table.js';
import { addTlsFlags, addTlsOptions } from './tls-flags.js';

/** One flag of `serve` that stands for an option of the API. */
export interface Flag {
  readonly flags: string;
  readonly env: string;
  readonly option: OptionName;
  readonly text: string;
  readonly group: string;
  /** What the flag means where it takes no value; `true` if it is not set. */
  readonly means?: 'false';
  /** Set if the command line's default differs from the API's. */
  readonly fallback?: string;
}

const ADDRESS = 'Address:';
const PROTOCOLS = 'Protocols:';
const THREADS = 'Threads:';
const LOAD = 'Load:';
const LIMITS = 'Limits on one request:';
const TIMEOUTS = 'Timeouts in milliseconds:';
const PROXIES = 'Proxies:';
const WATCHING = 'Watching:';

/** In the order of the help text. */
export const FLAGS: readonly Flag[] = [
  {
    flags: '-p, --port <n>',
    env: 'PORT',
    option: 'port',
    text: 'TCP port; 0 chooses a free one',
    group: ADDRESS,
  },
  {
    flags: '-H, --host <name>',
    env: 'HOST',
    option: 'hostname',
    text: 'host name or IP address; :: is all of them',
    group: ADDRESS,
  },
  {
    flags: '--unix <path>',
    env: 'REACTOR_UNIX',
    option: 'unix',
    text: 'unix socket, in place of a port; @name is an abstract one',
    group: ADDRESS,
  },
  {
    flags: '--unix-mode <mode>',
    env: 'REACTOR_UNIX_MODE',
    option: 'unixMode',
    text: 'permissions of the unix socket, such as 0660; by default by the umask',
    group: ADDRESS,
  },
  {
    flags: '--ipv6-only',
    env: 'REACTOR_IPV6_ONLY',
    option: 'ipv6Only',
    text: 'with ::, no IPv4',
    group: ADDRESS,
  },
  {
    flags: '--reuse-port',
    env: 'REACTOR_REUSE_PORT',
    option: 'reusePort',
    text: 'other processes of this user may share the port, with the same flag',
    group: ADDRESS,
  },
  {
    flags: '--no-http2',
    env: 'REACTOR_HTTP2',
    option: 'http2',
    text: 'speak HTTP/1.1 only',
    group: PROTOCOLS,
    means: 'false',
  },
  {
    flags: '--http2-only',
    env: 'REACTOR_HTTP1',
    option: 'http1',
    text: 'speak no HTTP/1.1',
    group: PROTOCOLS,
    means: 'false',
  },
  {
    flags: '-i, --io-threads <n>',
    env: 'REACTOR_IO_THREADS',
    option: 'ioThreads',
    text: 'threads that own connections',
    group: THREADS,
    fallback: '4',
  },
  {
    flags: '-w, --worker-threads <n>',
    env: 'REACTOR_WORKER_THREADS',
    option: 'workerThreads',
    text: 'threads of the built-in application; a module has none',
    group: THREADS,
    fallback: '8',
  },
  {
    flags: '--js-threads <n>',
    env: 'REACTOR_JS_THREADS',
    option: 'jsThreads',
    text: "JavaScript threads that run the module's handlers; by default the main one does",
    group: THREADS,
  },
  {
    flags: '--accept <mode>',
    env: 'REACTOR_ACCEPT',
    option: 'accept',
    text: 'one acceptor thread, or a listener per I/O loop',
    group: THREADS,
    fallback: 'acceptor',
  },
  {
    flags: '--backlog <n>',
    env: 'REACTOR_BACKLOG',
    option: 'backlog',
    text: 'connections that wait to be accepted',
    group: LOAD,
  },
  {
    flags: '--queue <n>',
    env: 'REACTOR_QUEUE',
    option: 'queue',
    text: 'requests that wait for a worker',
    group: LOAD,
  },
  {
    flags: '--max-connections <n>',
    env: 'REACTOR_MAX_CONNECTIONS',
    option: 'maxConnections',
    text: 'open connections; by default what open files allow',
    group: LOAD,
  },
  {
    flags: '--body-memory <bytes>',
    env: 'REACTOR_BODY_MEMORY',
    option: 'bodyMemory',
    text: 'request bodies held at once; by default 268435456 or what --max-body needs',
    group: LOAD,
  },
  {
    flags: '--max-in-flight <n>',
    env: 'REACTOR_MAX_IN_FLIGHT',
    option: 'maxInFlight',
    text: 'requests at handlers; by default no limit',
    group: LOAD,
  },
  {
    flags: '--max-request-line <bytes>',
    env: 'REACTOR_MAX_REQUEST_LINE',
    option: 'limits.requestLine',
    text: 'request line',
    group: LIMITS,
  },
  {
    flags: '--max-head <bytes>',
    env: 'REACTOR_MAX_HEAD',
    option: 'limits.head',
    text: 'whole head',
    group: LIMITS,
  },
  {
    flags: '--max-fields <n>',
    env: 'REACTOR_MAX_FIELDS',
    option: 'limits.fields',
    text: 'header fields',
    group: LIMITS,
  },
  {
    flags: '--max-body <bytes>',
    env: 'REACTOR_MAX_BODY',
    option: 'limits.body',
    text: 'body; by default 134217728 where handlers are JavaScript, else 16777216',
    group: LIMITS,
  },
  {
    flags: '--max-chunk-extensions <bytes>',
    env: 'REACTOR_MAX_CHUNK_EXTENSIONS',
    option: 'limits.chunkExtensions',
    text: 'chunk extensions',
    group: LIMITS,
  },
  {
    flags: '--max-streams <n>',
    env: 'REACTOR_MAX_STREAMS',
    option: 'limits.streams',
    text: 'requests of one HTTP/2 connection at once',
    group: LIMITS,
  },
  {
    flags: '--head-timeout <ms>',
    env: 'REACTOR_HEAD_TIMEOUT',
    option: 'timeouts.head',
    text: 'for a whole head',
    group: TIMEOUTS,
  },
  {
    flags: '--body-timeout <ms>',
    env: 'REACTOR_BODY_TIMEOUT',
    option: 'timeouts.body',
    text: 'for the next bytes of a body',
    group: TIMEOUTS,
  },
  {
    flags: '--keep-alive-timeout <ms>',
    env: 'REACTOR_KEEP_ALIVE_TIMEOUT',
    option: 'timeouts.keepAlive',
    text: 'for the next request',
    group: TIMEOUTS,
  },
  {
    flags: '--write-timeout <ms>',
    env: 'REACTOR_WRITE_TIMEOUT',
    option: 'timeouts.write',
    text: 'for the peer to read on',
    group: TIMEOUTS,
  },
  {
    flags: '--drain-timeout <ms>',
    env: 'REACTOR_DRAIN_TIMEOUT',
    option: 'timeouts.drain',
    text: 'for requests under way at stop',
    group: TIMEOUTS,
  },
  {
    flags: '--request-timeout <ms>',
    env: 'REACTOR_REQUEST_TIMEOUT',
    option: 'requestTimeout',
    text: 'for a handler to answer; 0 is no limit',
    group: TIMEOUTS,
  },
  {
    flags: '--shutdown-delay <time>',
    env: 'REACTOR_SHUTDOWN_DELAY',
    option: 'shutdownDelay',
    text: 'from a signal to the stop, so that balancers can take it out',
    group: TIMEOUTS,
  },
  {
    flags: '--trust-proxy <who>',
    env: 'REACTOR_TRUST_PROXY',
    option: 'trustProxy',
    text: 'whose X-Forwarded-* and Forwarded to believe; several with commas',
    group: PROXIES,
  },
  {
    flags: '--proxy-protocol <how>',
    env: 'REACTOR_PROXY_PROTOCOL',
    option: 'proxyProtocol',
    text: 'connections begin with a header of the PROXY protocol, from --trust-proxy',
    group: PROXIES,
  },
  {
    flags: '--compress',
    env: 'REACTOR_COMPRESS',
    option: 'compress.codings',
    text: 'compress answers; the variable may be br, gzip or both with a comma',
    group: LOAD,
  },
  {
    flags: '--access-log <file>',
    env: 'REACTOR_ACCESS_LOG',
    option: 'accessLog.file',
    text: 'one line for each request, appended to a file; - is standard output',
    group: WATCHING,
  },
  {
    flags: '--log-format <name>',
    env: 'REACTOR_LOG_FORMAT',
    option: 'accessLog.format',
    text: 'what such a line looks like',
    group: WATCHING,
  },
  {
    flags: '--metrics <[host:]port>',
    env: 'REACTOR_METRICS',
    option: 'metrics',
    text: 'serve /metrics for Prometheus, by default to this machine; a path is a unix socket',
    group: WATCHING,
  },
  {
    flags: '--health',
    env: 'REACTOR_HEALTH',
    option: 'health',
    text: 'answer /readyz and /livez, unless the module does; the metrics have both',
    group: WATCHING,
  },
  {
    flags: '--trace [share]',
    env: 'REACTOR_TRACE',
    option: 'trace',
    text: 'the trace of each request in a JSON log; of those that begin here this share is sampled',
    group: WATCHING,
  },
  {
    flags: '--server-timing',
    env: 'REACTOR_SERVER_TIMING',
    option: 'serverTiming',
    text: 'answers tell how long their handler took',
    group: WATCHING,
  },
  {
    flags: '--control <path>',
    env: 'REACTOR_CONTROL',
    option: 'control',
    text: 'socket for reactor-rs monitor; true is one in your runtime folder, false none',
    group: WATCHING,
    fallback: 'true',
  },
];

/** Adds every flag to the command, with its range, default and environment variable. */
export function addFlags(command: Command): void {
  for (const flag of FLAGS) {
    const fallback = flag.fallback ?? defaultOf(flag.option);
    const notes =
      flag.means === undefined
        ? [range(flag.option), fallback === undefined ? '' : `default ${fallback}`, flag.env]
        : [`${flag.env}=${flag.means}`];
    const option = new Option(flag.flags, `${flag.text} (${notes.filter(Boolean).join('; ')})`);
    command.addOption(option.helpGroup(flag.group));
    // Beside the address, in the order of the help text.
    if (flag.option === 'reusePort') {
      addTlsFlags(command);
    }
  }
}

/**
 * The options of `serve` that the flags and the environment mean. A flag wins over an environment
 * variable, that over the module's option, and that over the default.
 * @param module the module's options; `undefined` if it has not been loaded yet, which leaves out
 * what it may decide
 * @throws {ReactorError} names the flag or variable, and what it accepts.
 */
export function readFlags(
  given: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
  module: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const options = spellOut(module ?? {});
  const labels = new Map<string, { label: string; isFlag: boolean }>();
  for (const flag of FLAGS) {
    const source = sourceOf(flag, given, env);
    const fallback = Object.hasOwn(module ?? {}, flag.option) ? undefined : flag.fallback;
    const spelled = source?.spelled ?? fallback;
    if (spelled === undefined) {
      continue;
    }
    if (source !== undefined) {
      labels.set(flag.option, source);
    }
    assign(options, flag.option, parseOption(flag.option, source?.label ?? flag.option, spelled));
  }
  dropOtherAddress(options, (name) => labels.has(name));
  settleAddress(options, labels);
  settleVersions(options, labels);
  addTlsOptions(options, given, env, module !== undefined, (name) => labels.get(name));
  if (module !== undefined) {
    settleLog(options, labels);
  }
  return options;
}

/** The flag or variable that set an option, as the user wrote it. */
export function labelOf(
  option: OptionName,
  given: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const flag = FLAGS.find((flag) => flag.option === option);
  return flag && sourceOf(flag, given, env)?.label;
}

/** A socket path and a TCP address exclude each other. A flag beats a variable here too. */
function settleAddress(
  options: Record<string, unknown>,
  labels: ReadonlyMap<string, { label: string; isFlag: boolean }>,
): void {
  const unix = labels.get('unix');
  for (const name of ['port', 'hostname']) {
    const tcp = labels.get(name);
    if (unix === undefined || tcp === undefined) {
      continue;
    }
    if (unix.isFlag && tcp.isFlag) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `${tcp.label} cannot be given together with ${unix.label}: a server listens on one address`,
      );
    }
    delete options[tcp.isFlag ? 'unix' : name];
  }
  // A variable that only goes with the other kind of address is ignored.
  for (const [name, isOther] of [
    ['unixMode', options.unix === undefined],
    ['ipv6Only', options.unix !== undefined],
    ['reusePort', options.unix !== undefined],
  ] as const) {
    if (isOther && labels.get(name)?.isFlag === false) {
      delete options[name];
    }
  }
}

/** Both flags together leave nothing to speak. A flag beats a variable here too. */
function settleVersions(
  options: Record<string, unknown>,
  labels: ReadonlyMap<string, { label: string; isFlag: boolean }>,
): void {
  const [http1, http2] = [labels.get('http1'), labels.get('http2')];
  if (options.http1 !== false || options.http2 !== false) {
    return;
  }
  if (http1?.isFlag && http2?.isFlag) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${http2.label} cannot be given together with ${http1.label}: a server speaks at least one of them`,
    );
  }
  if (http1?.isFlag || http2?.isFlag) {
    delete options[http1?.isFlag ? 'http2' : 'http1'];
  }
}

/** A log format without a log is a mistake on the command line, but ignored in the environment. */
function settleLog(
  options: Record<string, unknown>,
  labels: ReadonlyMap<string, { label: string; isFlag: boolean }>,
): void {
  const log = options.accessLog as { file?: unknown } | undefined;
  const format = labels.get('accessLog.format');
  if (log === undefined || log.file !== undefined || format === undefined) {
    return;
  }
  if (format.isFlag) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${format.label} needs --access-log: there is no log`,
    );
  }
  delete options.accessLog;
}

function sourceOf(
  flag: Flag,
  given: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): { label: string; spelled: string; isFlag: boolean } | undefined {
  const option = new Option(flag.flags);
  const value = given[option.attributeName()];
  // Without its flag `--no-…` is `true`.
  if (typeof value === 'string' || value === !option.negate) {
    const label = [option.short, option.long].filter(Boolean).join('/');
    return { label, spelled: flag.means ?? String(value), isFlag: true };
  }
  // `PORT= command` unsets the variable for one command in a shell.
  const variable = env[flag.env];
  return variable ? { label: flag.env, spelled: variable, isFlag: false } : undefined;
}

/** Options of which a flag says only a part. */
const MERGED: Readonly<Record<string, (before: unknown, given: unknown) => unknown>> = {
  health: mergedHealth,
  metrics: mergedMetrics,
};

/** Sets a value under a name that may have a dot. */
function assign(options: Record<string, unknown>, name: string, value: unknown): void {
  const [outer, inner] = name.split('.') as [string, string?];
  if (inner === undefined) {
    options[outer] = MERGED[outer]?.(options[outer], value) ?? value;
    return;
  }
  options[outer] = { ...(options[outer] as object | undefined), [inner]: value };
}

/** The range of an option in short. Names and paths have none. */
function range(name: OptionName): string {
  return spelledFor(name)
    .replace(/^(an integer )?from /, '')
    .replace(' milliseconds', '')
    .replaceAll('"', '')
    .replace(/^(a|the) .*/, '');
}
