import { trimmed } from '../fetch/field.js';
import type { Heads } from './heads.js';

/**
 * Names and values in turn, spelled as the client sent them.
 *
 * @param head where the head begins in the text
 */
export function fieldsOfHead(text: string, head: number): string[] {
  const fields: string[] = [];
  // The engine has checked the head: each line is a name, a colon, a value.
  let line = text.indexOf('\r\n', head) + 2;
  for (;;) {
    const end = text.indexOf('\r\n', line);
    if (end <= line) {
      return fields;
    }
    const colon = text.indexOf(':', line);
    fields.push(text.substring(line, colon), trimmed(text, colon + 1, end, isBlank));
    line = end + 2;
  }
}

/** Optional whitespace, RFC 9110 §5.6.3. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Whether the field whose record begins at this word has this name, which is in lower case. */
export function isNamed({ events, bytes }: Heads, at: number, name: string): boolean {
  const length = name.length;
  if (events[at + 1] !== length) {
    return false;
  }
  const start = events[at] as number;
  // From the end: names of one length often begin alike.
  for (let i = length - 1; i >= 0; i--) {
    const sent = bytes[start + i] as number;
    const wanted = name.charCodeAt(i);
    if (sent !== wanted && (sent < 0x41 || sent > 0x5a || sent + 0x20 !== wanted)) {
      return false;
    }
  }
  return true;
}
