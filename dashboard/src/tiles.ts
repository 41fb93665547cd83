import { bytes, exact, type Figure, joined, percent, short, time } from './format.js';
import { element, write } from './panel.js';
import type { Snapshot } from './snapshot.js';
import { shownSlot, type View } from './view.js';

/** What a tile says: a large figure, and a line below it. */
interface Said {
  readonly figure: Figure;
  readonly below: string;
  readonly isBad?: boolean;
}

type Get = (name: string) => number;

const TILES: Readonly<Record<string, (get: Get, snapshot: Snapshot) => Said>> = {
  Requests: (get, { stats }) => ({
    figure: [short(get('answered')), '/s'],
    below: `${exact(stats.requests.total)} in all`,
  }),
  Errors: (get) => {
    const [bad, all] = [get('serverError'), get('answered')];
    return {
      figure: [short(bad), '/s'],
      below: `5xx, ${joined(percent(all > 0 ? bad / all : 0))} · 4xx ${short(get('clientError'))}/s`,
      isBad: bad > 0,
    };
  },
  Latency: (get) => ({
    figure: time(get('p99')),
    below: `p99 · p50 ${joined(time(get('p50')))}`,
  }),
  'In flight': (get, { stats }) => ({
    figure: [short(get('inFlight')), ''],
    below: `${short(get('queued'))} queued · ${exact(stats.lanes.length)} lane${stats.lanes.length === 1 ? '' : 's'}`,
  }),
  Connections: (get) => ({
    figure: [short(get('open')), 'open'],
    below: `${short(get('accepted'))}/s accepted`,
  }),
  Processor: (get, { process }) => ({
    figure: percent(get('cpu')),
    below: process === null ? '' : `of a core · ${exact(process.threads)} threads`,
  }),
  Memory: (get, { process }) => ({
    figure: bytes(get('resident')),
    below: process === null ? '' : `resident · ${exact(process.openFiles)} files`,
  }),
};

/** The figures at the top. */
export class Tiles {
  readonly root = element('section', 'tiles');
  readonly #tiles = new Map<string, { text: HTMLElement; unit: HTMLElement; below: HTMLElement }>();
  readonly #view: View;

  constructor(view: View) {
    this.#view = view;
    this.root.setAttribute('aria-label', 'Now');
    for (const name of Object.keys(TILES)) {
      const tile = {
        text: element('b', '', '–'),
        unit: element('small'),
        below: element('span', 'below'),
      };
      this.#tiles.set(name, tile);
      const figure = element('p', '', tile.text, ' ', tile.unit);
      this.root.append(element('div', 'tile', element('h2', '', name), figure, tile.below));
    }
  }

  render(snapshot: Snapshot): void {
    const slot = shownSlot(this.#view);
    const get = (name: string) => this.#view.history.get(name, slot);
    for (const [name, say] of Object.entries(TILES)) {
      const { figure, below, isBad = false } = say(get, snapshot);
      const tile = this.#tiles.get(name);
      if (tile !== undefined) {
        write(tile.text, figure[0]);
        write(tile.unit, figure[1]);
        write(tile.below, below);
        tile.text.parentElement?.classList.toggle('bad', isBad);
      }
    }
  }
}
