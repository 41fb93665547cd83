import { emitKeypressEvents } from 'node:readline';
import { hasColours } from '../output.js';
import type { Room } from './parts.js';

/** xterm's control sequences, which all later terminals understand. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** The screen and the keyboard. */
export class Terminal {
  readonly redraw: () => void;
  readonly #onKeypress: (text: string | undefined) => void;

  /**
   * `redraw` must call {@link draw}; it is also called when the size has changed. `onKey` gets the
   * character of each key that has one.
   */
  constructor(redraw: () => void, onKey: (key: string) => void) {
    this.redraw = redraw;
    this.#onKeypress = (text) => {
      if (text !== undefined) {
        onKey(text);
      }
    };
  }

  /** Takes over the screen, and the keyboard if there is one. */
  open(): void {
    process.stdout.write(ENTER);
    process.stdout.on('resize', this.redraw);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      // Recognizes keys that send several characters, such as arrows.
      emitKeypressEvents(process.stdin);
      process.stdin.on('keypress', this.#onKeypress).resume();
    }
    this.redraw();
  }

  /** Restores screen and keyboard. */
  close(): void {
    if (process.stdin.isTTY) {
      process.stdin.off('keypress', this.#onKeypress).pause();
      process.stdin.setRawMode(false);
    }
    process.stdout.off('resize', this.redraw);
    process.stdout.write(LEAVE);
  }

  /** Replaces the lines on the screen. */
  draw(lines: (room: Room) => string[]): void {
    process.stdout.write(screen(lines(this.#room())));
  }

  #room(): Room {
    // A terminal that does not know its size reports 0.
    const { columns, rows } = process.stdout;
    return { columns: columns || 80, rows: rows || 24, colours: hasColours(process.stdout) };
  }
}

/** The sequence that shows lines. It overwrites, because clearing would flicker. */
export function screen(lines: readonly string[]): string {
  return `${HOME}${lines.map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`;
}
