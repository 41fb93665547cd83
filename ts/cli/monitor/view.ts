import { size, span } from '../output.js';
import type { Sample, ThreadSample } from './sample.js';

/** What the screen shows. */
export interface View {
  /** The samples so far, the latest one last; empty before the first. */
  readonly history: readonly Sample[];
  readonly paused: boolean;
  readonly sort: Sort;
}

export const SORTS = ['name', 'busy', 'requests'] as const;
export type Sort = (typeof SORTS)[number];

/** The size of the screen. */
export interface Room {
  readonly columns: number;
  readonly rows: number;
  readonly colours: boolean;
}

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
type Part = string | readonly [Style, string];

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
  cyan: [36, 39],
};

const LABEL_WIDTH = 13;
const BAR_WIDTH = 24;
const BLOCKS = ' ▁▂▃▄▅▆▇█';

/** The lines of a screen: exactly as many as it has, none wider. The last one shows the keys. */
export function render(view: View, room: Room): string[] {
  const sample = view.history.at(-1);
  const lines =
    sample === undefined ? [['waiting for the first sample']] : body(view, sample, room);
  const keys: Part[] = [
    ['dim', `q quit   p ${view.paused ? 'go on' : 'pause'}   s sort by `],
    view.sort,
    ...(view.paused ? [['yellow', '   paused'] as const] : []),
  ];
  const above = Math.max(room.rows - 1, 0);
  const kept = lines.slice(0, above);
  const blank: Part[][] = Array.from({ length: above - kept.length }, () => []);
  return [...kept, ...blank, ...(room.rows > 0 ? [keys] : [])].map((parts) => cutOff(parts, room));
}

function body(view: View, sample: Sample, room: Room): Part[][] {
  const { requests, connections, tls, http2, webSockets: sockets } = sample;
  const { latency, queue, process, log } = sample;
  const lines: Part[][] = [
    [
      ['bold', `reactor-rs ${sample.version}`],
      `  pid ${sample.pid}  `,
      ['cyan', sample.address],
      `  up ${span(sample.uptimeMs)}`,
    ],
    [],
    row('requests', [number(requests.total), '/s  ', ['green', sparkline(view, room)]]),
    row('status', [
      ...share('2xx', requests.success, 'green'),
      ...share('3xx', requests.redirect, 'cyan'),
      ...share('4xx', requests.clientError, 'yellow'),
      ...share('5xx', requests.serverError, 'red'),
    ]),
    row('latency', [
      latency.count === 0
        ? 'no request'
        : `p50 ${time(latency.p50)}   p90 ${time(latency.p90)}   p99 ${time(latency.p99)}   max ${time(latency.max)}`,
    ]),
    row('traffic', [`${size(sample.receivedBytes)}/s in   ${size(sample.sentBytes)}/s out`]),
    row('connections', [
      `${number(connections.open)} open   ${number(connections.accepted)}/s accepted`,
      ...alarm(connections.refused, 'refused'),
    ]),
    ...(tls === null
      ? []
      : [
          row('tls', [
            `${number(tls.full)}/s new   ${number(tls.resumed)}/s resumed`,
            ...alarm(tls.failed, 'failed'),
            ...expiry(tls.expiresInDays),
          ]),
        ]),
    ...(http2 === null
      ? []
      : [
          row('http/2', [
            `${number(http2.connections)} open   ${number(http2.streams)} streams   ${number(http2.requests)}/s requests`,
            ...alarm(http2.resets, 'reset'),
            ...alarm(http2.refused, 'refused'),
            ...alarm(http2.goaways, 'ended'),
          ]),
        ]),
    ...(sockets === null
      ? []
      : [
          row('websockets', [
            `${number(sockets.open)} open   ${number(sockets.received)}/s in   ${number(sockets.sent)}/s out`,
            ...alarm(sockets.dropped, 'dropped'),
          ]),
        ]),
    row('task queue', [
      `${number(queue.depth)} of ${number(queue.capacity)}`,
      ...alarm(queue.rejected, 'refused'),
    ]),
    ...sample.lanes.map((lane) =>
      row(`js lane ${lane.index}`, [
        `${number(lane.inFlight)} in flight   ${number(lane.queued)} waiting`,
        ...(lane.state === 'blocked' ? [['red', '   blocked'] as const] : []),
      ]),
    ),
    ...(log === null
      ? []
      : [row('access log', [`${number(log.written)}/s`, ...alarm(log.lost, 'lost')])]),
    ...(process === null
      ? []
      : [
          row('process', [
            `${percent(process.cpu)} cpu   ${size(process.residentBytes)}   ${number(process.openFiles)} files   ${number(process.threads)} threads`,
          ]),
        ]),
    [],
  ];
  const left = room.rows - lines.length - 2;
  return left < 1 ? lines : [...lines, ...threads(sample.threads, view.sort, left)];
}

/** A table of at most `rows` lines below its head. */
function threads(all: readonly ThreadSample[], sort: Sort, rows: number): Part[][] {
  const head = `${'thread'.padEnd(LABEL_WIDTH)}${'busy'.padEnd(BAR_WIDTH + 8)}${'requests/s'.padStart(12)}${'connections'.padStart(14)}`;
  const sorted = [...all].sort((a, b) => order(a, b, sort));
  const shown = sorted.length > rows ? sorted.slice(0, rows - 1) : sorted;
  const lines: Part[][] = [[['dim', head]]];
  for (const { name, busy, requests, connections } of shown) {
    const filled = Math.round(busy * BAR_WIDTH);
    lines.push([
      name.padEnd(LABEL_WIDTH),
      [busy > 0.9 ? 'red' : busy > 0.6 ? 'yellow' : 'green', '█'.repeat(filled)],
      ['dim', '·'.repeat(BAR_WIDTH - filled)],
      percent(busy).padStart(6),
      '  ',
      (requests === null ? '' : number(requests)).padStart(12),
      (connections === null ? '' : number(connections)).padStart(14),
    ]);
  }
  if (shown.length < sorted.length) {
    lines.push([['dim', `and ${sorted.length - shown.length} more`]]);
  }
  return lines;
}

function order(a: ThreadSample, b: ThreadSample, sort: Sort): number {
  if (sort === 'busy' && a.busy !== b.busy) {
    return b.busy - a.busy;
  }
  if (sort === 'requests' && a.requests !== b.requests) {
    return (b.requests ?? -1) - (a.requests ?? -1);
  }
  return a.name.localeCompare(b.name, 'en', { numeric: true });
}

function row(label: string, parts: readonly Part[]): Part[] {
  return [['dim', label.padEnd(LABEL_WIDTH)], ...parts];
}

/** One class of status; dimmed if there are none. */
function share(name: string, rate: number, style: Style): Part[] {
  return [[rate > 0 ? style : 'dim', `${name} ${number(rate)}/s`], '   '];
}

/** A count of failures; empty if there are none. */
function alarm(rate: number, what: string): Part[] {
  return rate > 0 ? ['   ', ['red', `${number(Math.max(rate, 1))}/s ${what}`]] : [];
}

/** How long the first certificate is valid; in red where it is not for long. */
function expiry(days: number): Part[] {
  const text =
    days < 0 ? 'certificate expired' : `certificate for ${number(Math.floor(days))} days`;
  return ['   ', [days < 14 ? 'red' : 'dim', text]];
}

/** The request rates of the last samples, scaled to the highest of them. */
function sparkline(view: View, room: Room): string {
  const width = Math.max(Math.min(60, room.columns - LABEL_WIDTH - 14), 0);
  const rates = width === 0 ? [] : view.history.slice(-width).map((past) => past.requests.total);
  const top = Math.max(...rates, 1);
  return rates.map((rate) => BLOCKS[Math.ceil((rate / top) * 8)]).join('');
}

function number(n: number): string {
  return n.toLocaleString('en-US', { maximumFractionDigits: n > 0 && n < 10 ? 1 : 0 });
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Formats microseconds in a fitting unit. */
function time(us: number): string {
  if (us < 1000) {
    return `${us.toFixed(us < 10 ? 1 : 0)} µs`;
  }
  return us < 1e6 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`;
}

/** A line in its styles, cut off at the width of the screen. */
function cutOff(parts: readonly Part[], { columns, colours }: Room): string {
  let left = columns;
  let line = '';
  for (const part of parts) {
    const [style, text] = typeof part === 'string' ? [undefined, part] : part;
    const kept = text.slice(0, left);
    left -= kept.length;
    if (style === undefined || !colours || kept === '') {
      line += kept;
    } else {
      const [on, off] = CODES[style];
      line += `\x1b[${on}m${kept}\x1b[${off}m`;
    }
  }
  return line;
}
