import { number, type Part, percent, time } from './parts.js';
import type { RouteSample, Sample, ThreadSample } from './sample.js';

export const SORTS = ['name', 'busy', 'requests'] as const;
export type Sort = (typeof SORTS)[number];

/** The width of labels, in columns. */
export const LABEL_WIDTH = 13;
const BAR_WIDTH = 24;
const ROUTE_WIDTH = 34;

/** So many routes are shown at most. */
const MOST_ROUTES = 40;

/** With fewer lines than this there are only threads. */
const FEWEST = 8;

/** Threads, and below them the busiest routes, in at most so many lines. */
export function tables(sample: Sample, sort: Sort, most: number): Part[][] {
  const { threads, routes } = sample;
  const whole = 1 + threads.length;
  // A blank line and the head come before the rows.
  const rows = Math.min(routes.length, MOST_ROUTES);
  const forRoutes = rows === 0 || most < FEWEST ? 0 : 2 + rows;
  const first = Math.min(whole, Math.max(most - forRoutes, Math.ceil(most / 2)));
  const second = Math.min(forRoutes, most - first);
  return [
    ...(first < 2 ? [] : threadTable(threads, sort, first - 1)),
    ...(second < 3 ? [] : [[], ...routeTable(routes, second - 2)]),
  ];
}

/** A table of at most `rows` lines below its head. */
function threadTable(all: readonly ThreadSample[], sort: Sort, rows: number): Part[][] {
  const head = `${'thread'.padEnd(LABEL_WIDTH)}${'busy'.padEnd(BAR_WIDTH + 8)}${'requests/s'.padStart(12)}${'connections'.padStart(14)}`;
  const sorted = [...all].sort((a, b) => order(a, b, sort));
  const shown = fitting(sorted, rows);
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
  return [...lines, ...more(sorted.length - shown.length)];
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

/** A table of at most `rows` lines below its head. The routes are sorted already. */
function routeTable(all: readonly RouteSample[], rows: number): Part[][] {
  const columns = ['requests/s', '4xx/s', '5xx/s', 'mean', 'p99'];
  const head = 'route'.padEnd(ROUTE_WIDTH) + columns.map(inColumn).join('');
  const shown = fitting(all, rows);
  const lines = shown.map((route): Part[] => {
    const { requests, clientError, serverError, meanUs, p99Us } = route;
    return [
      shortened(`${route.method} ${route.route}`).padEnd(ROUTE_WIDTH),
      inColumn(number(requests), 0),
      alarming(clientError, 'yellow', 1),
      alarming(serverError, 'red', 2),
      inColumn(meanUs === null ? '' : time(meanUs), 3),
      inColumn(p99Us === null ? '' : time(p99Us), 4),
    ];
  });
  return [[['dim', head]], ...lines, ...more(all.length - shown.length)];
}

/** The widths of the columns behind the route. */
const WIDTHS = [10, 8, 8, 10, 10];

function inColumn(text: string, column: number): string {
  return text.padStart(WIDTHS[column] as number);
}

function alarming(rate: number, style: 'yellow' | 'red', column: number): Part {
  const text = inColumn(number(rate), column);
  return rate > 0 ? [style, text] : ['dim', text];
}

/** With a space behind it in its column. */
function shortened(name: string): string {
  return name.length < ROUTE_WIDTH ? name : `${name.slice(0, ROUTE_WIDTH - 2)}…`;
}

/** The first of them, with a line left to count the others. */
function fitting<T>(all: readonly T[], rows: number): readonly T[] {
  return all.length > rows ? all.slice(0, rows - 1) : all;
}

function more(count: number): Part[][] {
  return count > 0 ? [[['dim', `and ${count} more`]]] : [];
}
