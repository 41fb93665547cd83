import { bytes, rate, short } from './format.js';
import { type Condition, Header, WINDOWS } from './header.js';
import { HeatMap } from './heatmap.js';
import { History } from './history.js';
import { Lines } from './lines.js';
import { element } from './panel.js';
import { Poll } from './poll.js';
import { Routes } from './routes.js';
import type { Answer, Choice, Snapshot } from './snapshot.js';
import { Lanes, Runtimes, Totals } from './tables.js';
import { onTheme } from './theme.js';
import { Threads } from './threads.js';
import { Tiles } from './tiles.js';
import type { View } from './view.js';

/** Values of this age are old: two polls have failed. */
const STALE_MS = 2600;

/** The time axis has so many seconds at first, and grows to what the reader has chosen. */
const SHORTEST = 60;

/** Under this name the choice is remembered. */
const LENGTH = 'reactor-rs seconds';

const history = new History();
let chosen = remembered();
const view: View = {
  history,
  now: Math.floor(Date.now() / 1000),
  seconds: SHORTEST,
  cursor: null,
};
let snapshot: Snapshot | null = null;
let answeredAt = 0;
let why = '';
let isPaused = false;
let selected: Choice | null = null;

const header = new Header(chosen, {
  onServer(choice) {
    history.clear();
    snapshot = null;
    answeredAt = 0;
    select(choice);
    poll.start();
  },
  onSeconds(seconds) {
    chosen = seconds;
    view.seconds = lengthOfAxis();
    view.cursor = null;
    try {
      localStorage.setItem(LENGTH, `${seconds}`);
    } catch {
      // The reader does not let pages store anything.
    }
    drawSoon();
  },
  onPause(paused) {
    isPaused = paused;
    drawSoon();
  },
});
const tiles = new Tiles(view);
const requests = new Lines(
  {
    title: 'Answers',
    unit: 'per second, by class of status',
    lines: [
      { name: 'success', label: '2xx', colour: '--c2', fill: 0.75 },
      { name: 'redirect', label: '3xx', colour: '--c3', fill: 0.75 },
      { name: 'clientError', label: '4xx', colour: '--c4', fill: 0.8 },
      { name: 'serverError', label: '5xx', colour: '--c5', fill: 0.9 },
    ],
    isStacked: true,
    format: rate,
    least: 4,
  },
  view,
  drawSoon,
);
const latency = new HeatMap(view, drawSoon);
const lanesChart = new Lines(
  {
    title: 'Handlers',
    unit: 'requests at JavaScript lanes',
    lines: [
      { name: 'inFlight', label: 'in flight', colour: '--c2', fill: 0.15 },
      { name: 'queued', label: 'queued', colour: '--c4', fill: 0.25 },
    ],
    others: [{ name: 'tasks', label: 'tasks for workers' }],
    format: (n) => [short(n), ''],
    least: 4,
  },
  view,
  drawSoon,
);
const connections = new Lines(
  {
    title: 'Connections',
    unit: 'open',
    lines: [{ name: 'open', label: 'open', colour: '--open', fill: 0.15 }],
    others: [
      { name: 'accepted', label: 'accepted/s' },
      { name: 'closed', label: 'closed/s' },
      { name: 'refused', label: 'refused/s' },
    ],
    format: (n) => [short(n), ''],
    least: 4,
  },
  view,
  drawSoon,
);
const traffic = new Lines(
  {
    title: 'Traffic',
    unit: 'bytes per second',
    lines: [
      { name: 'received', label: 'in', colour: '--c2', fill: 0.12 },
      { name: 'sent', label: 'out', colour: '--out', fill: 0.12 },
    ],
    format: bytes,
    least: 1024,
    isBinary: true,
  },
  view,
  drawSoon,
);
const memory = new Lines(
  {
    title: 'Memory',
    unit: 'of the process',
    lines: [
      { name: 'resident', label: 'resident', colour: '--open', fill: 0.12 },
      { name: 'heap', label: "Node's heaps", colour: '--out', fill: 0.12 },
    ],
    format: bytes,
    least: 1024 * 1024,
    isBinary: true,
  },
  view,
  drawSoon,
);
const threads = new Threads(view, drawSoon);
const lanes = new Lanes();
lanesChart.root.append(lanes.root);
const routes = new Routes();
const runtimes = new Runtimes();
const totals = new Totals();
const charts = [requests, latency, connections, traffic, memory, lanesChart];

const main = element(
  'main',
  '',
  header.notes,
  tiles.root,
  element('div', 'row two', requests.root, latency.root),
  element('div', 'row three', connections.root, traffic.root, memory.root),
  element('div', 'row two', threads.root, lanesChart.root),
  routes.root,
  runtimes.root,
  totals.root,
);
document.body.append(header.root, main);

function lengthOfAxis(): number {
  const { first } = history;
  return Math.min(chosen, Math.max(SHORTEST, first === 0 ? 0 : view.now - first + 1));
}

function remembered(): number {
  try {
    const seconds = Number(localStorage.getItem(LENGTH));
    return WINDOWS.some(([, each]) => each === seconds) ? seconds : 180;
  } catch {
    return 180;
  }
}

let isDue = false;

/** Draws before the next frame, once. */
function drawSoon(): void {
  if (!isDue) {
    isDue = true;
    requestAnimationFrame(draw);
  }
}

function draw(): void {
  isDue = false;
  for (const chart of charts) {
    chart.render();
  }
  threads.render();
  if (snapshot !== null) {
    tiles.render(snapshot);
  }
}

function condition(): Condition {
  const age = Date.now() - answeredAt;
  if (snapshot === null) {
    return why === '' ? { is: 'connecting' } : { is: 'missing', why };
  }
  return age > STALE_MS
    ? { is: 'stale', forMs: age, why: why === '' ? 'no answer yet' : why }
    : { is: 'live' };
}

/** Moves the time axis on, and says how old the values are. */
function tick(): void {
  const second = Math.floor(Date.now() / 1000);
  const now = second - history.last < 2 ? history.last : second;
  const is = condition();
  document.body.classList.toggle('old', is.is !== 'live' && is.is !== 'connecting');
  header.render(is, snapshot);
  if (!isPaused && now !== view.now) {
    if (view.cursor !== null) {
      // It stays where it is on the screen, as the pointer does.
      view.cursor += now - view.now;
    }
    view.now = now;
    view.seconds = lengthOfAxis();
  }
  drawSoon();
}

function onAnswer(answer: Answer): void {
  const { monitor } = answer;
  if (monitor !== null) {
    header.choose(monitor.servers, monitor.server);
    const its = monitor.servers.find(({ id }) => id === monitor.server);
    if (its !== undefined && its.id !== selected?.id) {
      select(its);
    }
  }
  if (answer.snapshot === null) {
    onFailure(monitor?.error ?? 'there is no snapshot');
    return;
  }
  why = '';
  snapshot = answer.snapshot;
  answeredAt = Date.now();
  history.add(snapshot, answeredAt);
  threads.add(snapshot);
  if (!isPaused) {
    lanes.show(snapshot);
    routes.show(snapshot);
    runtimes.show(snapshot);
    totals.show(snapshot);
  }
  const now = history.get('answered', history.last);
  document.title = `${Number.isNaN(now) ? '' : `${short(now)}/s · `}${snapshot.address} · reactor-rs`;
  tick();
}

function onFailure(reason: string): void {
  why = reason;
  history.broken();
  tick();
}

function select(choice: Choice): void {
  selected = choice;
  const { id, address } = choice;
  poll.query = `?${new URLSearchParams({ server: id, address })}`;
  // So that the page shows the same one when it is loaded again.
  window.history.replaceState(null, '', `#${encodeURIComponent(address)}`);
}

const poll = new Poll(onAnswer, onFailure);
if (location.hash.length > 1) {
  poll.query = `?${new URLSearchParams({ address: decodeURIComponent(location.hash.slice(1)) })}`;
}
onTheme(() => {
  latency.recolour();
  drawSoon();
});
new ResizeObserver(drawSoon).observe(main);
setInterval(tick, 1000);
poll.start();
tick();
