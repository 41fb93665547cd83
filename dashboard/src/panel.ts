import { clock } from './format.js';
import { type Frame, frameOf, prepare, slotAt } from './plot.js';
import { colour } from './theme.js';
import { shownSlot, type View } from './view.js';

/** An element with a class and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className !== '') {
    made.className = className;
  }
  made.append(...children);
  return made;
}

/** Writes only what has changed. */
export function write(node: HTMLElement, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** One entry of a legend. */
export interface Entry {
  readonly label: string;
  /** A custom property of the style sheet; none for an entry that is not drawn. */
  readonly colour?: string;
  /** What it says of a second. */
  text(view: View, slot: number): string;
}

/** A chart over time with its title and its legend. */
export abstract class Panel {
  readonly root: HTMLElement;
  readonly canvas = element('canvas');
  protected readonly view: View;
  protected pointer: { x: number; y: number } | null = null;
  readonly #values: [Entry, HTMLElement, HTMLElement | null][] = [];
  readonly #when = element('span', 'when');
  #frame: Frame = frameOf(1, 1);

  constructor(
    title: string,
    unit: string,
    entries: readonly Entry[],
    view: View,
    onCursor: () => void,
  ) {
    this.view = view;
    const legend = element('ul', 'legend');
    for (const entry of entries) {
      const value = element('b');
      const swatch = entry.colour === undefined ? null : element('i');
      legend.append(element('li', '', ...(swatch === null ? [] : [swatch]), entry.label, value));
      this.#values.push([entry, value, swatch]);
    }
    const heading = element('h2', '', title, element('small', '', unit));
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', `${title}, ${unit}, over time`);
    this.canvas.tabIndex = 0;
    this.root = element(
      'section',
      'panel',
      element('header', '', heading, this.#when),
      legend,
      this.canvas,
    );
    const move = (event: PointerEvent) => {
      const box = this.canvas.getBoundingClientRect();
      this.pointer = { x: event.clientX - box.left, y: event.clientY - box.top };
      view.cursor = slotAt(this.pointer.x, this.#frame, view);
      onCursor();
    };
    const leave = () => {
      this.pointer = null;
      view.cursor = null;
      onCursor();
    };
    this.canvas.addEventListener('pointermove', move);
    this.canvas.addEventListener('pointerdown', move);
    this.canvas.addEventListener('pointerleave', leave);
    this.canvas.addEventListener('blur', leave);
    this.canvas.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step !== undefined) {
        const next = (view.cursor ?? view.now + (step < 0 ? 1 : 0)) + step;
        view.cursor = Math.min(Math.max(next, view.now + 1 - view.seconds), view.now);
        event.preventDefault();
      } else if (event.key === 'Escape') {
        view.cursor = null;
      }
      onCursor();
    });
  }

  /** Draws all anew. */
  render(): void {
    const slot = shownSlot(this.view);
    for (const [entry, value, swatch] of this.#values) {
      write(value, entry.text(this.view, slot));
      if (swatch !== null && entry.colour !== undefined) {
        swatch.style.background = colour(entry.colour);
      }
    }
    write(this.#when, this.view.cursor === null ? '' : clock(slot * 1000));
    const room = prepare(this.canvas);
    if (room !== null) {
      this.#frame = frameOf(room.width, room.height);
      this.draw(room.c, this.#frame);
    }
  }

  protected abstract draw(c: CanvasRenderingContext2D, frame: Frame): void;
}
