// The groups of Markus Kuhn's UTF-8 decoder test, as the Autobahn suite's sections 6.5 to 6.23 have
// them: whether each text of a group is valid, and the text.

import { isUtf8 } from 'node:buffer';

const hex = (digits) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const all = (isValid, ...texts) => texts.map((text) => [isValid, Buffer.from(text)]);

export const GREEK = Buffer.from('κ\u{1f79}σμε');

/** Each byte from `from` to before `to`, with a space behind it. */
const lonely = (from, to) =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => [from + i, 0x20]).flat());

/** A surrogate as if it were a character. */
const surrogate = (point) =>
  Buffer.from([0xed, 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f)]);
const pair = (high, low) => Buffer.concat([surrogate(high), surrogate(low)]);

/** The first and the last sequence of each length, without their last byte. */
const CUT = [
  'c0',
  'e080',
  'f08080',
  'f8808080',
  'fc80808080',
  'df',
  'efbf',
  'f7bfbf',
  'fbbfbfbf',
  'fdbfbfbfbf',
].map(hex);

/** U+FFFE and U+FFFF of every plane. */
const NON_CHARACTERS = Array.from({ length: 17 }, (_, plane) => [
  String.fromCodePoint((plane << 16) | 0xfffe),
  String.fromCodePoint((plane << 16) | 0xffff),
]).flat();

const PREFIXES = Array.from(GREEK, (_, i) => {
  const text = GREEK.subarray(0, i + 1);
  return [isUtf8(text), text];
});

export const UTF8_GROUPS = [
  all(true, 'hello$world', 'hello\u{a2}world', 'hello\u{20ac}world', 'hello\u{24b62}world', GREEK),
  PREFIXES,
  all(true, '\0', '\u{80}', '\u{800}', '\u{10000}'),
  all(false, hex('f888808080'), hex('fc8480808080')),
  all(true, '\x7f', '\u{7ff}', '\u{ffff}', '\u{10ffff}'),
  all(false, hex('f7bfbfbf'), hex('fbbfbfbfbf'), hex('fdbfbfbfbfbf')),
  [...all(true, '\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{10ffff}'), ...all(false, hex('f4908080'))],
  all(
    false,
    ...['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf'].map(hex),
    Buffer.from(Array.from({ length: 0x3f }, (_, i) => 0x80 + i)),
  ),
  all(
    false,
    lonely(0xc0, 0xdf),
    lonely(0xe0, 0xef),
    lonely(0xf0, 0xf7),
    lonely(0xf8, 0xfb),
    lonely(0xfc, 0xfd),
  ),
  all(false, ...CUT),
  all(false, Buffer.concat(CUT)),
  all(false, hex('fe'), hex('ff'), hex('fefeffff')),
  all(false, ...['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af'].map(hex)),
  all(false, ...['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf'].map(hex)),
  all(false, ...['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080'].map(hex)),
  all(false, ...[0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff].map(surrogate)),
  all(
    false,
    ...[0xd800, 0xdb7f, 0xdb80, 0xdbff].flatMap((high) => [pair(high, 0xdc00), pair(high, 0xdfff)]),
  ),
  all(true, ...NON_CHARACTERS),
  all(true, ...Array.from({ length: 7 }, (_, i) => String.fromCharCode(0xfff9 + i))),
];
