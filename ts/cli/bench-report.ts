import type { BenchHttp2Code, BenchLatency, BenchProgress, BenchResult } from '../bench/types.js';
import { count, size } from './output.js';

/** The length of the longest bar, in characters. */
const BAR = 40;

/** The share of a core above which a client thread may be the bottleneck. */
const BUSY = 0.95;

/** The run so far on one line. The rate is since `last`. */
export function renderProgress(progress: BenchProgress, last: BenchProgress | undefined): string {
  const seconds = (progress.elapsedMs - (last?.elapsedMs ?? 0)) / 1000;
  const rate = seconds > 0 ? (progress.requests - (last?.requests ?? 0)) / seconds : 0;
  const { p50Ns, p99Ns } = progress.latency;
  return [
    `${(progress.elapsedMs / 1000).toFixed(1)} s`,
    progress.warmingUp ? 'warming up' : `${whole(rate)} req/s`,
    `p50 ${time(p50Ns)}`,
    `p99 ${time(p99Ns)}`,
    count(progress.errors, 'error'),
  ].join('  ');
}

/** The result as text for people. */
export function renderReport(result: BenchResult): string {
  const { settings, requests, succeeded, errors, bytes, latency } = result;
  const unit = settings.webSocket === null ? 'request' : 'message';
  const lines = [
    `${result.url}: ${count(settings.threads, 'thread')}, ${count(settings.connections, 'connection')}${shape(result)}, ${time(result.durationMs * 1e6)}${result.stoppedBy === 'stop' ? ' (interrupted)' : ''}`,
    '',
    `${`${unit}s`.padEnd(10)} ${whole(requests)}`,
    `succeeded  ${whole(succeeded)} (${share(succeeded, requests)})`,
    `errors     ${whole(errors.total)}${byClass(errors)}`,
    ...result.firstErrors.map((first) => `           first ${first.class} error: ${first.message}`),
    ...statuses(result),
    `rate       ${whole(result.rate)} ${unit}s/s${target(result)}`,
    `bytes      ${size(bytes.received)} in, ${size(bytes.sent)} out`,
    ...unasked(result),
    ...handshakes(result),
    ...endings(result),
    '',
    `latency    ${span(result)}`,
    ...percentiles(latency),
    '',
    ...histogram(result),
    ...advice(result),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function span({ settings: { rate, webSocket } }: BenchResult): string {
  if (webSocket !== null && webSocket.subscribers !== null) {
    return 'from when a message was due to when a subscriber had it';
  }
  const unit = webSocket === null ? 'request' : 'message';
  const from = rate === null ? 'sending' : `when a ${unit} was due`;
  return `from ${from} to ${rate === null ? 'the' : 'its'} whole answer`;
}

/** Messages have none. */
function statuses({ settings, statuses }: BenchResult): string[] {
  if (settings.webSocket !== null) {
    return [];
  }
  const all = statuses.map(({ status, count }) => `${status}: ${whole(count)}`).join(', ');
  return [`statuses   ${all || 'none'}`];
}

/** What goes over WebSockets. */
function messages(settings: BenchResult['settings']): string {
  const { webSocket, pipeline } = settings;
  if (webSocket === null) {
    return '';
  }
  const { size: bytes, binary, compress, subscribers } = webSocket;
  const kind = `${binary ? 'binary' : 'text'}${compress ? ', compressed' : ''}`;
  const out = pipeline > 1 ? `, ${pipeline} at once` : '';
  const receivers = subscribers === null ? '' : ` to ${count(subscribers, 'subscriber')}`;
  return `, messages of ${size(bytes)} ${kind}${receivers}${out}`;
}

function shape({ settings }: BenchResult): string {
  if (settings.webSocket !== null) {
    return messages(settings);
  }
  const http2 = settings.streams === null ? '' : ' of HTTP/2';
  if (!settings.keepAlive) {
    return `${http2} for one request each`;
  }
  if (settings.streams !== null) {
    return `${http2}, ${count(settings.streams, 'stream')} each`;
  }
  return settings.pipeline > 1 ? `, ${settings.pipeline} requests pipelined` : '';
}

function byClass({ total, ...classes }: BenchResult['errors']): string {
  const met = Object.entries(classes).filter(([, n]) => n > 0);
  return met.length === 0 ? '' : `: ${met.map(([name, n]) => `${name} ${whole(n)}`).join(', ')}`;
}

function unasked({ connections }: BenchResult): string[] {
  const { unasked } = connections;
  return unasked === 0
    ? []
    : [`broken     ${count(unasked, 'connection')}: the server sent bytes that answer no request`];
}

/** What TLS agreed on, how many handshakes there were and how long they took. */
function handshakes({ tls }: BenchResult): string[] {
  if (tls === null) {
    return [];
  }
  const { version, cipher, group, handshakes, resumed, handshake } = tls;
  const agreed = [version, cipher, group].filter((each) => each !== null).join(' ');
  const taken = `${time(handshake.p50Ns)} at p50, ${time(handshake.p99Ns)} at p99, at most ${time(handshake.maxNs)}`;
  return [
    `TLS        ${agreed}`,
    `           ${count(handshakes, 'handshake')}, ${whole(resumed)} resumed (${share(resumed, handshakes)})${handshakes === 0 ? '' : `; ${taken}`}`,
  ];
}

/** What a server of HTTP/2 sent to end streams and connections, by error code. */
function endings({ http2 }: BenchResult): string[] {
  if (http2 === null) {
    return [];
  }
  const row = (title: string, codes: BenchHttp2Code[]) => {
    const each = codes.map(({ code, count }) => `${code} ${whole(count)}`);
    return codes.length === 0 ? [] : [`${title} ${each.join(', ')}`];
  };
  return [...row('RST_STREAM', http2.resets), ...row('GOAWAY    ', http2.goaways)];
}

function target({ openLoop, settings }: BenchResult): string {
  if (openLoop === null) {
    return '';
  }
  const { targetRate, reached, unsent, sendDelay } = openLoop;
  const isBroadcast = (settings.webSocket?.subscribers ?? null) !== null;
  const asked = `${isBroadcast ? 'sent at' : 'of'} ${whole(targetRate)} asked for`;
  const late = `sent ${time(sendDelay.p99Ns)} late at p99`;
  if (reached) {
    return `, ${asked}: reached; ${late}`;
  }
  const why =
    unsent > 0
      ? `${count(unsent, settings.webSocket === null ? 'request' : 'message')} never went out`
      : late;
  return `, ${asked}: NOT REACHED; ${why}`;
}

function percentiles(latency: BenchLatency): string[] {
  const rows: [string, number][] = [
    ['p50', latency.p50Ns],
    ['p75', latency.p75Ns],
    ['p90', latency.p90Ns],
    ['p99', latency.p99Ns],
    ['p99.9', latency.p999Ns],
    ['p99.99', latency.p9999Ns],
    ['max', latency.maxNs],
    ['mean', latency.meanNs],
  ];
  return rows.map(([name, ns]) => `  ${name.padEnd(8)} ${time(ns).padStart(9)}`);
}

function histogram({ histogram: buckets, latency }: BenchResult): string[] {
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  return buckets.map(({ upToNs, count: n }) => {
    // At least one character, if anything was counted.
    const bar = n === 0 ? '' : '█'.repeat(Math.max(1, Math.round((n / most) * BAR)));
    return `  ≤ ${time(upToNs).padStart(9)} ${share(n, latency.count).padStart(8)} ${bar}`.trimEnd();
  });
}

function advice({ clientLoad, settings }: BenchResult): string[] {
  if (clientLoad < BUSY) {
    return [];
  }
  const busy = `a client thread used ${share(clientLoad, 1)} of its core`;
  return ['', `The client may be the bottleneck: ${busy}. Try -t ${settings.threads + 1} or more.`];
}

/** A time with about three digits. */
function time(ns: number): string {
  const units: [string, number][] = [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ];
  const [unit, scale] = units.find(([, scale]) => ns >= scale) ?? ['ns', 1];
  const value = ns / scale;
  return `${value.toFixed(value >= 100 || scale === 1 ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
}

function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((part / whole) * 100).toFixed(2)} %`;
}

function whole(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}
