import { type Figure, joined, roundLabel } from './format.js';
import { Panel } from './panel.js';
import { drawEvents, drawLevel, drawTimes, type Frame, Scale, xOf } from './plot.js';
import { colour } from './theme.js';
import type { View } from './view.js';

/** One line of a chart. */
export interface Line {
  /** Its name in the history. */
  readonly name: string;
  readonly label: string;
  readonly colour: string;
  /** How it is filled, from 0 to 1. */
  readonly fill?: number;
}

export interface LinesOptions {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
  /** Each stands on the one before. */
  readonly isStacked?: boolean;
  readonly format: (n: number) => Figure;
  /** The least that the axis reaches to. */
  readonly least: number;
  readonly isBinary?: boolean;
  /** Further entries of the legend. */
  readonly others?: readonly Omit<Line, 'colour'>[];
}

/** Lines or areas over time. */
export class Lines extends Panel {
  readonly #options: LinesOptions;
  readonly #scale: Scale;

  constructor(options: LinesOptions, view: View, onCursor: () => void) {
    const { title, unit, lines, format, others = [] } = options;
    const text = (name: string) => (of: View, slot: number) =>
      joined(format(of.history.get(name, slot)));
    super(
      title,
      unit,
      [
        ...lines.map((line) => ({ ...line, text: text(line.name) })),
        ...others.map((line) => ({ ...line, text: text(line.name) })),
      ],
      view,
      onCursor,
    );
    this.#options = options;
    this.#scale = new Scale(options.least, options.isBinary);
  }

  protected override draw(c: CanvasRenderingContext2D, frame: Frame): void {
    const { lines, isStacked = false, format } = this.#options;
    const { view } = this;
    const begin = view.now + 1 - view.seconds;
    const columns = lines.map(() => new Float64Array(view.seconds).fill(Number.NaN));
    let most = 0;
    for (let index = 0; index < view.seconds; index++) {
      let below = 0;
      for (const [at, { name }] of lines.entries()) {
        const value = view.history.get(name, begin + index);
        const top = isStacked ? below + value : value;
        below = isStacked && !Number.isNaN(top) ? top : below;
        (columns[at] as Float64Array)[index] = top;
        most = Math.max(most, Number.isNaN(top) ? 0 : top);
      }
    }
    this.#scale.fit(most);
    const { top } = this.#scale;
    const y = (value: number) => frame.top + frame.height * (1 - value / top);
    drawTimes(c, frame, view);
    for (const level of this.#scale.levels()) {
      drawLevel(c, frame, y(level), roundLabel(format(level)));
    }
    c.save();
    c.beginPath();
    c.rect(frame.left, frame.top - 2, frame.width, frame.height + 4);
    c.clip();
    // The highest of a stack first; those below it lie over it.
    for (const at of [...lines.keys()].reverse()) {
      const line = lines[at] as Line;
      this.#line(c, frame, columns[at] as Float64Array, y, line, isStacked);
    }
    c.restore();
    drawEvents(c, frame, view);
  }

  #line(
    c: CanvasRenderingContext2D,
    frame: Frame,
    values: Float64Array,
    y: (value: number) => number,
    { colour: name, fill = 0 }: Line,
    isStacked: boolean,
  ): void {
    const { view } = this;
    const begin = view.now + 1 - view.seconds;
    const middle = frame.width / view.seconds / 2;
    const x = (index: number) => xOf(begin + index, frame, view) + middle;
    c.strokeStyle = colour(name);
    c.fillStyle = colour(name);
    c.lineWidth = 1.5;
    c.lineJoin = 'round';
    for (let from = 0; from < values.length; from++) {
      if (Number.isNaN(values[from] as number)) {
        continue;
      }
      let to = from;
      while (to + 1 < values.length && !Number.isNaN(values[to + 1] as number)) {
        to++;
      }
      const path = new Path2D();
      // A single second is seen too.
      path.moveTo(from === to ? x(from) - middle : x(from), y(values[from] as number));
      for (let index = from; index <= to; index++) {
        path.lineTo(x(index), y(values[index] as number));
      }
      if (fill > 0 || isStacked) {
        const area = new Path2D(path);
        area.lineTo(x(to), y(0));
        area.lineTo(x(from), y(0));
        if (isStacked) {
          // Nothing of what stands above shines through.
          c.fillStyle = colour('--panel');
          c.fill(area);
        }
        c.fillStyle = colour(name);
        c.globalAlpha = fill;
        c.fill(area);
        c.globalAlpha = 1;
      }
      c.stroke(path);
      from = to;
    }
  }
}
