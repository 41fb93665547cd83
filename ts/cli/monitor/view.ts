import { size, span } from '../output.js';
import { cutOff, number, type Part, percent, type Room, type Style, time } from './parts.js';
import type { Sample } from './sample.js';
import { LABEL_WIDTH, type Sort, tables } from './tables.js';

/** What the screen shows. */
export interface View {
  /** The samples so far, the latest one last; empty before the first. */
  readonly history: readonly Sample[];
  readonly paused: boolean;
  readonly sort: Sort;
}

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
  return [...lines, ...tables(sample, view.sort, room.rows - lines.length - 1)];
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
