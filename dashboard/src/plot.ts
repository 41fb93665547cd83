import { clock } from './format.js';
import { colour } from './theme.js';
import type { View } from './view.js';

/** The place of a chart's values in its canvas, in CSS pixels. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Room for the labels of the axes. */
const MARGIN = { left: 52, right: 10, top: 8, bottom: 20 };

/** Labels of the time axis are at least so far apart. */
const LABEL_WIDTH = 66;

const STEPS = [10, 15, 30, 60, 120, 300];

export function frameOf(width: number, height: number): Frame {
  return {
    left: MARGIN.left,
    top: MARGIN.top,
    width: Math.max(width - MARGIN.left - MARGIN.right, 1),
    height: Math.max(height - MARGIN.top - MARGIN.bottom, 1),
  };
}

/** Where a second begins. */
export function xOf(slot: number, frame: Frame, { now, seconds }: View): number {
  return frame.left + ((slot - (now + 1 - seconds)) / seconds) * frame.width;
}

/** The second at a place; `null` outside of the chart. */
export function slotAt(x: number, frame: Frame, { now, seconds }: View): number | null {
  const slot = now + 1 - seconds + Math.floor(((x - frame.left) / frame.width) * seconds);
  return slot <= now - seconds || slot > now ? null : slot;
}

/** Times of day below the chart, and a line for each. */
export function drawTimes(c: CanvasRenderingContext2D, frame: Frame, view: View): void {
  const fits = (step: number) => (step / view.seconds) * frame.width >= LABEL_WIDTH;
  const step = STEPS.find(fits) ?? 600;
  const begin = view.now + 1 - view.seconds;
  c.font = FONT;
  c.textAlign = 'center';
  c.textBaseline = 'top';
  c.lineWidth = 1;
  for (let slot = Math.ceil(begin / step) * step; slot <= view.now; slot += step) {
    const x = Math.round(xOf(slot, frame, view)) + 0.5;
    c.strokeStyle = colour('--grid');
    line(c, x, frame.top, x, frame.top + frame.height);
    const text = clock(slot * 1000, step % 60 !== 0);
    const half = c.measureText(text).width / 2;
    if (x - half >= 0 && x + half <= frame.left + frame.width + MARGIN.right) {
      c.fillStyle = colour('--faint');
      c.fillText(text, x, frame.top + frame.height + 6);
    }
  }
}

/** One line across the chart, with its label at the left. */
export function drawLevel(
  c: CanvasRenderingContext2D,
  frame: Frame,
  y: number,
  text: string,
): void {
  const at = Math.round(y) + 0.5;
  c.strokeStyle = colour('--grid');
  line(c, frame.left, at, frame.left + frame.width, at);
  c.font = FONT;
  c.textAlign = 'right';
  c.textBaseline = 'middle';
  c.fillStyle = colour('--faint');
  c.fillText(text, frame.left - 7, at);
}

/** Restarts, seconds without an answer, and the second that the reader points at. */
export function drawEvents(c: CanvasRenderingContext2D, frame: Frame, view: View): void {
  const { history, now, seconds, cursor } = view;
  // Before the first value the page was not open.
  const begin = history.first === 0 ? now : Math.max(history.first, now + 1 - seconds);
  for (let from = begin; from <= now; from++) {
    let to = from;
    while (to <= now && !history.has(to)) {
      to++;
    }
    // The present second has no value yet.
    if (to > from && !(from === now && history.last === now - 1)) {
      const x = xOf(from, frame, view);
      hatch(c, x, frame.top, xOf(to, frame, view) - x, frame.height);
    }
    from = to;
  }
  for (const { slot, text } of history.marks) {
    const x = Math.round(xOf(slot, frame, view)) + 0.5;
    if (x < frame.left || x > frame.left + frame.width) {
      continue;
    }
    c.strokeStyle = colour('--mark');
    c.setLineDash([4, 3]);
    line(c, x, frame.top, x, frame.top + frame.height);
    c.setLineDash([]);
    c.font = FONT;
    const width = c.measureText(text).width;
    const isRight = x + width + 8 > frame.left + frame.width;
    c.textBaseline = 'top';
    c.textAlign = 'left';
    const at = isRight ? x - width - 5 : x + 5;
    c.fillStyle = colour('--panel');
    c.fillRect(at - 2, frame.top + 1, width + 4, 14);
    c.fillStyle = colour('--mark');
    c.fillText(text, at, frame.top + 2);
  }
  if (cursor !== null) {
    const x = Math.round((xOf(cursor, frame, view) + xOf(cursor + 1, frame, view)) / 2) + 0.5;
    c.strokeStyle = colour('--cursor');
    line(c, x, frame.top, x, frame.top + frame.height);
  }
}

function hatch(c: CanvasRenderingContext2D, x: number, y: number, w: number, h: number): void {
  c.save();
  c.beginPath();
  c.rect(x, y, w, h);
  c.clip();
  c.strokeStyle = colour('--hatch');
  c.lineWidth = 1;
  // Fixed to the frame, so that the pattern does not move while the region grows.
  for (let at = Math.floor((x - h) / 8) * 8; at < x + w; at += 8) {
    line(c, at, y + h, at + h, y);
  }
  c.restore();
}

function line(c: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(x1, y1);
  c.lineTo(x2, y2);
  c.stroke();
}

/** A canvas at the resolution of the screen, cleared; `null` while it is not shown. */
export function prepare(
  canvas: HTMLCanvasElement,
): { c: CanvasRenderingContext2D; width: number; height: number } | null {
  const { clientWidth: width, clientHeight: height } = canvas;
  const c = canvas.getContext('2d');
  if (width === 0 || height === 0 || c === null) {
    return null;
  }
  const scale = Math.min(devicePixelRatio || 1, 3);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.clearRect(0, 0, width, height);
  return { c, width, height };
}

/** The top of an axis, which follows the values without jumping at each of them. */
export class Scale {
  top: number;
  readonly #least: number;
  readonly #isBinary: boolean;

  constructor(least: number, isBinary = false) {
    this.#least = least;
    this.#isBinary = isBinary;
    this.top = least;
  }

  fit(most: number): void {
    if (most > this.top || most < this.top * 0.3) {
      this.top = Math.max(this.#nice(most * 1.05), this.#least);
    }
  }

  /** From 0 to the top, round numbers all. */
  levels(): number[] {
    const { digit } = parts(this.top * 1.0001);
    const isFour = this.#isBinary || Math.floor(digit) === 2 || Math.floor(digit) === 4;
    const count = isFour ? 4 : 5;
    return Array.from({ length: count + 1 }, (_, index) => (this.top * index) / count);
  }

  #nice(value: number): number {
    if (value <= 0) {
      return this.#least;
    }
    if (this.#isBinary) {
      const power = 2 ** Math.ceil(Math.log2(value));
      return power * 0.75 >= value ? power * 0.75 : power;
    }
    const { decade, digit } = parts(value);
    return decade * ([1, 2, 4, 5, 10].find((step) => step >= digit) ?? 10);
  }
}

/** A number from 1 to 10, and what it is multiplied by. */
function parts(value: number): { decade: number; digit: number } {
  const decade = 10 ** Math.floor(Math.log10(value));
  return { decade, digit: value / decade };
}
