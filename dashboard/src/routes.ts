import { exact, joined, percent, short, time } from './format.js';
import type { Route, Snapshot } from './snapshot.js';
import { type Cell, Table } from './table.js';
import { panel } from './tables.js';

/** A route, how often it was asked in the last second, and its share of all time. */
interface Row {
  readonly route: Route;
  readonly rate: number;
  readonly share: number;
}

interface Told {
  readonly label: string;
  readonly title?: string;
  readonly isText?: boolean;
  cell(row: Row): string;
  /** What is sorted by, the largest first. */
  worth?(row: Row): number;
}

const latency = (
  label: string,
  name: 'p50Ns' | 'p90Ns' | 'p99Ns' | 'maxNs',
  title = 'Since the start',
): Told => ({
  label,
  title,
  cell: ({ route }) => (route.latency.count === 0 ? '–' : joined(time(route.latency[name]))),
  worth: ({ route }) => route.latency[name],
});

const COLUMNS: readonly Told[] = [
  { label: 'method', isText: true, cell: ({ route }) => route.method },
  { label: 'route', isText: true, cell: ({ route }) => route.route },
  { label: 'requests/s', cell: ({ rate }) => short(rate), worth: ({ rate }) => rate || 0 },
  {
    label: 'requests',
    title: 'Since the start',
    cell: ({ route }) => exact(route.requests),
    worth: ({ route }) => route.requests,
  },
  {
    label: '4xx',
    title: 'Since the start',
    cell: ({ route }) => exact(route.clientError),
    worth: ({ route }) => route.clientError,
  },
  {
    label: '5xx',
    title: 'Since the start',
    cell: ({ route }) => exact(route.serverError),
    worth: ({ route }) => route.serverError,
  },
  latency('p50', 'p50Ns'),
  latency('p90', 'p90Ns'),
  latency('p99', 'p99Ns'),
  latency('max', 'maxNs'),
  {
    label: 'share of time',
    title: 'Of the latencies of all routes together, since the start',
    cell: ({ share }) => joined(percent(share)),
    worth: ({ share }) => share,
  },
];

/** So many rows are shown. */
const MOST = 64;

/** Routes, the slowest first or by what the reader chooses. */
export class Routes {
  readonly root: HTMLElement;
  readonly #table: Table;
  #sorted = COLUMNS.findIndex(({ label }) => label === 'p99');
  #rows: Row[] = [];
  #before = new Map<string, number>();
  #at = 0;
  #pid = 0;

  constructor() {
    const columns = COLUMNS.map((column) => ({ ...column, sorts: column.worth !== undefined }));
    this.#table = new Table(columns, this.#sorted, (column) => {
      this.#sorted = column;
      this.#render();
    });
    this.root = panel('Routes', 'sorted by the column that you choose', this.#table.root);
    this.root.hidden = true;
  }

  show({ stats: { routes = [] }, atMs, pid }: Snapshot): void {
    this.root.hidden = routes.length === 0;
    const seconds = pid === this.#pid ? (atMs - this.#at) / 1000 : 0;
    const all = routes.slice(0, 512);
    const total = all.reduce((sum, { latencySumNs }) => sum + latencySumNs, 0);
    this.#rows = all.map((route) => {
      const was = this.#before.get(keyOf(route));
      return {
        route,
        rate: was === undefined || seconds <= 0 ? Number.NaN : (route.requests - was) / seconds,
        share: total > 0 ? route.latencySumNs / total : 0,
      };
    });
    this.#before = new Map(all.map((route) => [keyOf(route), route.requests]));
    this.#at = atMs;
    this.#pid = pid;
    this.#render();
  }

  #render(): void {
    const worth = COLUMNS[this.#sorted]?.worth ?? (() => 0);
    const shown = [...this.#rows].sort(
      (a, b) => worth(b) - worth(a) || b.route.requests - a.route.requests,
    );
    this.#table.show(
      shown
        .slice(0, MOST)
        .map((row): [string, Cell[]] => [
          keyOf(row.route),
          COLUMNS.map((column) => column.cell(row)),
        ]),
    );
  }
}

function keyOf({ method, route }: Route): string {
  return `${method} ${route}`;
}
