import { joined, percent, short } from './format.js';
import { element } from './panel.js';
import { prepare } from './plot.js';
import type { Snapshot, Thread } from './snapshot.js';
import { Table } from './table.js';
import { colour } from './theme.js';
import { shownSlot, type View } from './view.js';

/** How busy each thread is, now and over time. */
export class Threads {
  readonly root: HTMLElement;
  readonly #table = new Table([
    { label: 'thread', isText: true },
    { label: 'busy over time', isText: true },
    { label: 'busy', title: 'Share of time that it ran or was ready to run' },
    { label: 'requests/s' },
    { label: 'connections' },
  ]);
  readonly #strips = new Map<string, HTMLCanvasElement>();
  readonly #view: View;
  readonly #onCursor: () => void;
  #before: Snapshot | null = null;
  #rates = new Map<string, number>();

  constructor(view: View, onCursor: () => void) {
    this.#view = view;
    this.#onCursor = onCursor;
    this.root = element(
      'section',
      'panel',
      element('header', '', element('h2', '', 'Threads', element('small', '', 'processor time'))),
      this.#table.root,
    );
  }

  /** Takes in the next snapshot. */
  add(after: Snapshot): void {
    const before = this.#before?.pid === after.pid ? this.#before : null;
    this.#before = after;
    const seconds = before === null ? 0 : (after.atMs - before.atMs) / 1000;
    this.#rates = new Map(
      after.threads.flatMap(({ name }) => {
        const io = ioOf(name, after);
        const was = before === null ? undefined : ioOf(name, before);
        return io === undefined || was === undefined || seconds <= 0
          ? []
          : [[name, Math.max(io.requests - was.requests, 0) / seconds]];
      }),
    );
  }

  render(): void {
    const after = this.#before;
    if (after === null) {
      return;
    }
    const view = this.#view;
    const slot = shownSlot(view);
    const isNow = view.cursor === null;
    const threads = [...after.threads].slice(0, 128).sort(byKind);
    this.#table.show(
      threads.map(({ name }) => {
        const busy = view.history.get(`thread ${name}`, slot);
        const rate = this.#rates.get(name);
        return [
          name,
          [
            name.slice(0, 40),
            this.#strip(name),
            joined(percent(busy)),
            isNow && rate !== undefined ? short(rate) : '',
            isNow ? (ioOf(name, after)?.connections.toString() ?? '') : '',
          ],
        ];
      }),
    );
    for (const name of this.#strips.keys()) {
      if (threads.some((thread) => thread.name === name)) {
        this.#draw(name);
      } else {
        this.#strips.delete(name);
      }
    }
  }

  #strip(name: string): HTMLCanvasElement {
    let canvas = this.#strips.get(name);
    if (canvas === undefined) {
      canvas = element('canvas', 'strip');
      canvas.setAttribute('role', 'img');
      canvas.setAttribute('aria-label', `How busy ${name} was`);
      canvas.addEventListener('pointermove', ({ currentTarget, clientX }) => {
        const { left, width } = (currentTarget as HTMLElement).getBoundingClientRect();
        const { now, seconds } = this.#view;
        const second = Math.floor(((clientX - left) / width) * seconds);
        this.#view.cursor = now + 1 - seconds + Math.min(Math.max(second, 0), seconds - 1);
        this.#onCursor();
      });
      canvas.addEventListener('pointerleave', () => {
        this.#view.cursor = null;
        this.#onCursor();
      });
      this.#strips.set(name, canvas);
    }
    return canvas;
  }

  #draw(name: string): void {
    const room = prepare(this.#strips.get(name) as HTMLCanvasElement);
    if (room === null) {
      return;
    }
    const { c, width, height } = room;
    const { now, seconds, history, cursor } = this.#view;
    const begin = now + 1 - seconds;
    c.fillStyle = colour('--track');
    c.fillRect(0, 0, width, height);
    const step = width / seconds;
    for (let index = 0; index < seconds; index++) {
      const busy = history.get(`thread ${name}`, begin + index);
      if (busy > 0) {
        c.fillStyle = colour(busy > 0.9 ? '--c5' : busy > 0.7 ? '--c4' : '--busy');
        const bar = Math.max(busy * height, 0.5);
        // A little wider, so that no gaps show between seconds.
        c.fillRect(index * step, height - bar, step + 0.4, bar);
      }
    }
    if (cursor !== null) {
      c.fillStyle = colour('--cursor');
      c.fillRect((cursor + 0.5 - begin) * step, 0, 1, height);
    }
  }
}

/** What the statistics have of an I/O thread. */
function ioOf(
  name: string,
  { stats }: Snapshot,
): { requests: number; connections: number } | undefined {
  const index = /^rx-io-(\d+)$/.exec(name)?.[1];
  return index === undefined ? undefined : stats.ioThreads[Number(index)];
}

const KINDS = [/^main$/, /^js-/, /^rx-io/, /^rx-accept/, /^rx-worker/];

function byKind(a: Thread, b: Thread): number {
  const kind = ({ name }: Thread) => {
    const found = KINDS.findIndex((each) => each.test(name));
    return found === -1 ? 2.5 : found;
  };
  return kind(a) - kind(b) || a.name.localeCompare(b.name, 'en', { numeric: true });
}
