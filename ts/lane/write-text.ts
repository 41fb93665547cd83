import type { Bytes } from './record.js';

/**
 * Up to this length text is written here, character by character. Beyond it a native call is
 * cheaper.
 */
const SHORT_TEXT = 96;

/** The most UTF-8 bytes for one UTF-16 code unit. */
export const WIDEST = 3;

/**
 * Writes text as UTF-8. Returns the number of bytes, at most {@link WIDEST} for each code unit, for
 * which there must be room.
 */
export function writeText(bytes: Bytes, text: string, at: number): number {
  const { length } = text;
  if (length <= SHORT_TEXT) {
    let i = 0;
    while (i < length) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        break;
      }
      bytes[at + i] = code;
      i++;
    }
    if (i === length) {
      return length;
    }
  }
  return bytes.utf8Write(text, at, length * WIDEST);
}
