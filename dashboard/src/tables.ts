import { bytes, exact, joined, percent, span, time } from './format.js';
import { element, write } from './panel.js';
import type { Runtime, Snapshot } from './snapshot.js';
import { type Cell, Table } from './table.js';

/** A panel without a chart. */
export function panel(title: string, unit: string, ...children: HTMLElement[]): HTMLElement {
  const heading = element('h2', '', title, element('small', '', unit));
  return element('section', 'panel', element('header', '', heading), ...children);
}

/** The lanes: handlers of JavaScript threads, and how late those are. */
export class Lanes {
  readonly #table = new Table([
    { label: 'lane', isText: true },
    { label: 'state', isText: true },
    { label: 'in flight', title: 'Requests given to it and not yet answered' },
    { label: 'queued', title: 'Those of them that it has not taken yet' },
    { label: 'wait p99', title: 'From the hand-over of a request to its turn, since the start' },
    { label: 'lag p99', title: 'How late the thread is after its wake, since the start' },
    { label: 'lag max' },
  ]);
  readonly root = this.#table.root;

  show({ stats }: Snapshot): void {
    this.#table.show(
      stats.lanes.slice(0, 256).map((lane) => {
        const state = element('span', `state ${/^[a-z]+$/.test(lane.state) ? lane.state : ''}`);
        state.textContent = lane.state;
        return [
          `${lane.lane}`,
          [
            `${lane.thread ?? lane.lane}`,
            state,
            exact(lane.inFlight),
            exact(lane.queued),
            joined(time(lane.queueWait.p99Ns)),
            joined(time(lane.eventLoopLag.p99Ns)),
            joined(time(lane.eventLoopLag.maxNs)),
          ],
        ];
      }),
    );
  }
}

/** What JavaScript threads tell of themselves. */
export class Runtimes {
  readonly #table = new Table([
    { label: 'thread', isText: true },
    { label: 'heap used' },
    { label: 'of its limit' },
    { label: 'external', title: 'Memory outside of the heap that its objects hold' },
    { label: 'collections', title: 'Garbage collections since the start' },
    { label: 'in them', title: 'Time in garbage collections since the start' },
    { label: 'loop active', title: 'Share of time that the event loop was not asleep' },
    { label: 'timer late', title: 'How late a timer was' },
    { label: 'wake p99', title: 'From a wake by the engine to the turn of the event loop' },
    { label: 'wake max' },
    { label: 'told', title: 'How long ago it told this' },
  ]);
  readonly root = panel('JavaScript', 'heap, garbage collection, event loop', this.#table.root);

  constructor() {
    this.root.hidden = true;
  }

  show({ stats: { node = [] } }: Snapshot): void {
    this.root.hidden = node.length === 0;
    const ms = (n: number) => joined(time(n * 1e6));
    this.#table.show(
      node.slice(0, 256).map((one: Runtime): [string, Cell[]] => {
        const { heapUsed, heapLimit, external, gc, eventLoop } = one;
        const { activeMs, idleMs, lag, p99, max } = eventLoop;
        return [
          one.thread,
          [
            one.thread,
            joined(bytes(heapUsed)),
            joined(percent(heapUsed / heapLimit)),
            joined(bytes(external)),
            exact(gc.count),
            ms(gc.ms),
            joined(percent(activeMs / (activeMs + idleMs))),
            ms(lag),
            ms(p99),
            ms(max),
            `${span(one.ageMs)} ago`,
          ],
        ];
      }),
    );
  }
}

/** Groups of totals: names of the statistics, as `stats()` has them. */
const GROUPS: readonly (readonly [title: string, rows: readonly (readonly [string, string])[]])[] =
  [
    [
      'Requests',
      [
        ['heads read', 'requests.total'],
        ['1xx', 'requests.informational'],
        ['2xx', 'requests.success'],
        ['3xx', 'requests.redirect'],
        ['4xx', 'requests.clientError'],
        ['5xx', 'requests.serverError'],
        ['bytes in', 'bytes.received'],
        ['bytes out', 'bytes.sent'],
      ],
    ],
    [
      'Connections',
      [
        ['open now', 'connections.open'],
        ['accepted', 'connections.accepted'],
        ['turned away', 'connections.refused'],
        ['accept pauses', 'connections.acceptPauses'],
      ],
    ],
    [
      'Closed because',
      [
        ['the peer closed', 'connections.closed.peer'],
        ['it was asked for', 'connections.closed.served'],
        ['idle', 'connections.closed.idle'],
        ['malformed request', 'connections.closed.rejected'],
        ['request too slow', 'connections.closed.requestTimeout'],
        ['reader too slow', 'connections.closed.writeTimeout'],
        ['the peer broke off', 'connections.closed.aborted'],
        ['TLS failed', 'connections.closed.handshake'],
        ['the server stops', 'connections.closed.stopped'],
      ],
    ],
    [
      'Handlers and workers',
      [
        ['given to handlers', 'handlers.given'],
        ['at handlers now', 'handlers.inFlight'],
        ['handlers full, 503', 'handlers.rejected'],
        ['timed out, 503', 'handlers.timedOut'],
        ['tasks done', 'tasks.done'],
        ['tasks waiting', 'tasks.queueDepth'],
        ['tasks refused, 503', 'tasks.rejected'],
        ['tasks failed, 500', 'tasks.panics'],
      ],
    ],
    [
      'HTTP/2',
      [
        ['connections now', 'http2.connections'],
        ['streams now', 'http2.streams'],
        ['requests', 'http2.requests'],
        ['reset by clients', 'http2.resetsReceived'],
        ['reset by us', 'http2.resetsSent'],
        ['streams refused', 'http2.refused'],
        ['connections ended', 'http2.goaways'],
      ],
    ],
    [
      'WebSockets',
      [
        ['open now', 'webSockets.open'],
        ['opened', 'webSockets.opened'],
        ['messages in', 'webSockets.received'],
        ['messages out', 'webSockets.sent'],
        ['dropped', 'webSockets.dropped'],
      ],
    ],
    [
      'TLS',
      [
        ['new sessions', 'tls.full'],
        ['resumed', 'tls.resumed'],
        ['timed out', 'tls.timedOut'],
        ['shed', 'tls.shed'],
        ['certificates read', 'tls.reloads'],
        ['and found wrong', 'tls.reloadFailures'],
      ],
    ],
    [
      'Access log',
      [
        ['lines written', 'accessLog.written'],
        ['lines lost', 'accessLog.lost'],
        ['failed writes', 'accessLog.errors'],
      ],
    ],
  ];

/** All counters, in full digits. */
export class Totals {
  readonly root: HTMLElement;
  readonly #values: [path: string, value: HTMLElement][] = [];
  readonly #groups: HTMLElement[] = [];
  readonly #certificates = element('div', 'certificates');

  constructor() {
    const groups = GROUPS.map(([title, rows]) => {
      const list = element('dl');
      for (const [label, path] of rows) {
        const value = element('dd');
        value.dataset.of = path;
        list.append(element('div', '', element('dt', '', label), value));
        this.#values.push([path, value]);
      }
      const group = element('div', 'group', element('h3', '', title), list);
      if (title === 'TLS') {
        group.append(this.#certificates);
      }
      this.#groups.push(group);
      return group;
    });
    this.root = panel('Counters', 'since the start', element('div', 'groups', ...groups));
  }

  show({ stats }: Snapshot): void {
    for (const [path, value] of this.#values) {
      let found: unknown = stats;
      for (const name of path.split('.')) {
        found = (found as Record<string, unknown> | null | undefined)?.[name];
      }
      write(value, typeof found === 'number' ? exact(found) : '–');
      value.classList.toggle('none', found === 0 || typeof found !== 'number');
    }
    // None of it is left out where it may come yet, or the page would jump.
    for (const [index, [title]] of GROUPS.entries()) {
      const isOff = title === 'Access log' && stats.accessLog === null;
      (this.#groups[index] as HTMLElement).classList.toggle('off', isOff);
    }
    const { certificates } = stats.tls;
    write(
      this.#certificates,
      certificates
        .slice(0, 16)
        .map(({ subject, expires }) => {
          const days = Math.floor((expires * 1000 - Date.now()) / 86_400_000);
          return `${subject}: ${days < 0 ? 'expired' : `for ${exact(days)} days`}`;
        })
        .join('\n'),
    );
  }
}
