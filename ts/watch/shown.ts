import { type Failure, shownPlace } from './failure.js';

/** How the parts of a failure look; each gets one line or a part of it. */
export interface Style {
  headline(text: string): string;
  place(text: string): string;
  here(text: string): string;
  faint(text: string): string;
  plain(text: string): string;
}

const PLAIN: Style = {
  headline: (text) => text,
  place: (text) => text,
  here: (text) => text,
  faint: (text) => text,
  plain: (text) => text,
};

/** The frames that are shown; the rest is counted. */
const MOST_FRAMES = 12;

/** An error as lines of text: what, where, the source, the calls, the causes. */
export function linesOf(failure: Failure, style: Style = PLAIN): string[] {
  return linesIn(failure, style, '', []);
}

/** @param outer the calls that are shown already */
function linesIn(
  failure: Failure,
  style: Style,
  intro: string,
  outer: readonly string[],
): string[] {
  const { headline, place, code, cause, errors } = failure;
  const frames = withoutTail(failure.frames, outer);
  const [first = '', ...more] = headline.split('\n').map(printable);
  const lines = [style.headline(intro + first), ...more.map((line) => style.headline(line))];
  if (place !== undefined) {
    lines.push(`  ${style.faint('at')} ${style.place(printable(shownPlace(place)))}`);
  }
  if (code.length > 0) {
    const width = String(code.at(-1)?.number).length;
    lines.push('');
    for (const { number, text, isHere } of code) {
      const margin = `${isHere ? '>' : ' '} ${String(number).padStart(width)} | `;
      const shown = printable(text);
      lines.push(isHere ? style.here(margin) + style.plain(shown) : style.faint(margin + shown));
      if (isHere && place?.column !== undefined && place.column <= text.length + 1) {
        // Tabs are kept, so that the mark stands below its place however wide they are.
        const indent = text.slice(0, place.column - 1).replace(/[^\t]/g, ' ');
        lines.push(`${style.faint(`  ${' '.repeat(width)} | `)}${indent}${style.here('^')}`);
      }
    }
    lines.push('');
  }
  const shownFrames = frames.slice(0, MOST_FRAMES).map((frame) => `  at ${printable(frame)}`);
  if (frames.length > MOST_FRAMES) {
    shownFrames.push(`  and ${frames.length - MOST_FRAMES} more`);
  }
  // One that only repeats the place says nothing new.
  if (frames.length > 1 || frames[0]?.endsWith(')')) {
    lines.push(...shownFrames.map((line) => style.faint(line)));
  }
  for (const each of errors) {
    lines.push(...linesIn(each, style, 'one of its errors: ', failure.frames));
  }
  if (cause !== undefined) {
    lines.push(...linesIn(cause, style, 'caused by ', failure.frames));
  }
  return lines;
}

/** The frames without those at their end that are at the other's end too. */
function withoutTail(frames: readonly string[], other: readonly string[]): readonly string[] {
  let same = 0;
  while (same < frames.length && frames.at(-1 - same) === other.at(-1 - same)) {
    same++;
  }
  return frames.slice(0, frames.length - same);
}

/** Without what moves a terminal's cursor or changes its reading direction. Tabs stay. */
function printable(text: string): string {
  return text.replace(
    /(?!\t)[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    '\ufffd',
  );
}
