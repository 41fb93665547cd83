import { joined, roundLabel, short, time } from './format.js';
import { PER_DECADE, ROWS, rowBegin } from './history.js';
import { type Entry, Panel } from './panel.js';
import { drawEvents, drawLevel, drawTimes, FONT, type Frame, slotAt, xOf } from './plot.js';
import { colour, type Rgb, ramp } from './theme.js';
import type { View } from './view.js';

/** Cells are at least so wide. */
const CELL_WIDTH = 3;
const STEPS = 64;

const QUANTILES = [
  { name: 'p50', colour: '--p50' },
  { name: 'p99', colour: '--p99' },
] as const;

/** Latencies over time: the darker (by night the brighter) a cell, the more requests ended in it. */
export class HeatMap extends Panel {
  /** The decades of the axis, as rows. */
  #low = 2 * PER_DECADE;
  #high = 5 * PER_DECADE;
  #most = 1;
  #heldFor = 0;
  #colours: Rgb[] = [];
  readonly #cells = document.createElement('canvas');

  constructor(view: View, onCursor: () => void) {
    const quantile = (name: string, of?: string): Entry => ({
      label: name,
      ...(of === undefined ? {} : { colour: of }),
      text: (at, slot) => joined(time(at.history.get(name, slot))),
    });
    super(
      'Latency',
      'head read to last byte sent',
      [quantile('p50', '--p50'), quantile('p90'), quantile('p99', '--p99'), quantile('max')],
      view,
      onCursor,
    );
  }

  /** Takes the colours of the scheme anew. */
  recolour(): void {
    this.#colours = [];
  }

  protected override draw(c: CanvasRenderingContext2D, frame: Frame): void {
    const { view } = this;
    if (this.#colours.length === 0) {
      this.#colours = ramp(STEPS);
    }
    const group = Math.max(Math.ceil((CELL_WIDTH * view.seconds) / frame.width), 1);
    // Groups keep their seconds while they move, so that their colours do.
    const first = Math.floor((view.now + 1 - view.seconds) / group) * group;
    const columns = Math.ceil((view.now + 1 - first) / group);
    const counts = new Float64Array(columns * ROWS);
    this.#count(counts, first, group);
    this.#fit(counts);
    drawTimes(c, frame, view);
    const y = (row: number) =>
      frame.top + frame.height * (1 - (row - this.#low) / (this.#high - this.#low));
    for (let row = this.#low; row <= this.#high; row += PER_DECADE) {
      drawLevel(c, frame, y(row), roundLabel(time(rowBegin(row))));
    }
    this.#paint(c, frame, counts, columns, first, group);
    for (const { name, colour: of } of QUANTILES) {
      this.#quantile(c, frame, name, colour(of));
    }
    drawEvents(c, frame, view);
    this.#readOut(c, frame, counts, first, group);
  }

  #count(counts: Float64Array, first: number, group: number): void {
    const { history, now } = this.view;
    for (let slot = first; slot <= now; slot++) {
      const heat = history.heat(slot);
      if (heat === null) {
        continue;
      }
      const column = Math.floor((slot - first) / group) * ROWS;
      for (let row = 0; row < ROWS; row++) {
        counts[column + row] = (counts[column + row] as number) + (heat[row] as number);
      }
    }
  }

  /** Whole decades around what there is, at least three. They shrink only after a while. */
  #fit(counts: Float64Array): void {
    let low = ROWS;
    let high = 0;
    let most = 0;
    for (const [index, count] of counts.entries()) {
      if (count > 0) {
        const row = index % ROWS;
        low = Math.min(low, row);
        high = Math.max(high, row + 1);
        most = Math.max(most, count);
      }
    }
    if (most === 0) {
      return;
    }
    low = Math.floor(low / PER_DECADE) * PER_DECADE;
    high = Math.max(Math.ceil(high / PER_DECADE) * PER_DECADE, low + 3 * PER_DECADE);
    if (high > ROWS) {
      low -= high - ROWS;
      high = ROWS;
    }
    const grows = low < this.#low || high > this.#high || this.#most === 1;
    this.#heldFor = grows || (low === this.#low && high === this.#high) ? 0 : this.#heldFor + 1;
    if (this.#most === 1) {
      [this.#low, this.#high] = [low, high];
    } else if (grows) {
      [this.#low, this.#high] = [Math.min(low, this.#low), Math.max(high, this.#high)];
    } else if (this.#heldFor > 30) {
      [this.#low, this.#high] = [low, high];
    }
    if (most > this.#most || most < this.#most * 0.4) {
      this.#most = most;
    }
  }

  #paint(
    c: CanvasRenderingContext2D,
    frame: Frame,
    counts: Float64Array,
    columns: number,
    first: number,
    group: number,
  ): void {
    const rows = this.#high - this.#low;
    const cells = this.#cells;
    cells.width = columns;
    cells.height = rows;
    const on = cells.getContext('2d');
    if (on === null) {
      return;
    }
    const image = on.createImageData(columns, rows);
    const top = Math.log1p(this.#most);
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < rows; row++) {
        const count = counts[column * ROWS + this.#low + row] as number;
        if (count > 0) {
          const share = Math.min(Math.log1p(count) / top, 1);
          const rgb = this.#colours[Math.round(share * (STEPS - 1))] as Rgb;
          const at = ((rows - 1 - row) * columns + column) * 4;
          image.data.set([...rgb, 255], at);
        }
      }
    }
    on.putImageData(image, 0, 0);
    const { view } = this;
    c.save();
    c.beginPath();
    c.rect(frame.left, frame.top, frame.width, frame.height);
    c.clip();
    c.imageSmoothingEnabled = false;
    const from = xOf(first, frame, view);
    const to = xOf(first + columns * group, frame, view);
    c.drawImage(cells, from, frame.top, to - from, frame.height);
    c.restore();
  }

  #quantile(c: CanvasRenderingContext2D, frame: Frame, name: string, of: string): void {
    const { view } = this;
    const rows = this.#high - this.#low;
    const path = new Path2D();
    const middle = frame.width / view.seconds / 2;
    let isDown = false;
    for (let slot = view.now + 1 - view.seconds; slot <= view.now; slot++) {
      const ns = view.history.get(name, slot);
      if (Number.isNaN(ns)) {
        isDown = false;
        continue;
      }
      const row = (Math.log10(Math.max(ns, 1)) - 3) * PER_DECADE;
      const share = Math.min(Math.max((row - this.#low) / rows, 0), 1);
      const x = xOf(slot, frame, view) + middle;
      const y = frame.top + frame.height * (1 - share);
      path[isDown ? 'lineTo' : 'moveTo'](x, y);
      isDown = true;
    }
    c.lineJoin = 'round';
    c.strokeStyle = colour('--panel');
    c.lineWidth = 4.4;
    c.globalAlpha = 0.85;
    c.stroke(path);
    c.globalAlpha = 1;
    c.strokeStyle = of;
    c.lineWidth = 1.8;
    c.stroke(path);
  }

  /** What the cell under the pointer stands for. */
  #readOut(
    c: CanvasRenderingContext2D,
    frame: Frame,
    counts: Float64Array,
    first: number,
    group: number,
  ): void {
    const { pointer, view } = this;
    const slot = pointer === null ? null : slotAt(pointer.x, frame, view);
    const share = pointer === null ? -1 : 1 - (pointer.y - frame.top) / frame.height;
    if (pointer === null || slot === null || share < 0 || share >= 1) {
      return;
    }
    const row = this.#low + Math.floor(share * (this.#high - this.#low));
    const count = counts[Math.floor((slot - first) / group) * ROWS + row] as number;
    const bounds = `${joined(time(rowBegin(row)))} – ${joined(time(rowBegin(row + 1)))}`;
    const span = group === 1 ? '' : ` in ${group} s`;
    const text = `${bounds}: ${short(Math.round(count))} request${Math.round(count) === 1 ? '' : 's'}${span}`;
    c.font = FONT;
    const width = c.measureText(text).width + 14;
    const x = Math.min(Math.max(pointer.x + 12, frame.left), frame.left + frame.width - width);
    const y = pointer.y > frame.top + 40 ? pointer.y - 32 : pointer.y + 14;
    c.fillStyle = colour('--tip');
    c.beginPath();
    c.roundRect(x, y, width, 22, 5);
    c.fill();
    c.fillStyle = colour('--tip-text');
    c.textAlign = 'left';
    c.textBaseline = 'middle';
    c.fillText(text, x + 7, y + 11.5);
  }
}
