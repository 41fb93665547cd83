// Range and If-Range (RFC 9110 §13.1.5, §14). /abc.txt has 26 letters, /ten.txt ten digits.

import { EARLIER, LATER, SAME, SAME_850, SAME_ASCTIME } from './fixture.mjs';

const of = (path) => (name, value, status, more) => [
  `Range: ${name}`,
  `GET ${path}`,
  [`Range: ${value}`],
  status,
  more,
];
const abc = of('/abc.txt');
const one = (name, value, first, last) => abc(name, value, 206, { range: [first, last] });
const many = (name, value, ...ranges) => abc(name, value, 206, { ranges });
const whole = (name, value) => abc(name, value, 200);
const none = (name, value) => abc(name, value, 416, { fields: { 'content-range': 'bytes */26' } });

export const ranges = [
  // One.
  one('the first byte', 'bytes=0-0', 0, 0),
  one('the first ten', 'bytes=0-9', 0, 9),
  one('in the middle', 'bytes=10-12', 10, 12),
  one('the last byte', 'bytes=25-25', 25, 25),
  one('all, by both ends', 'bytes=0-25', 0, 25),
  one('past the end', 'bytes=20-100', 20, 25),
  one('just past the end', 'bytes=0-26', 0, 25),
  one('open', 'bytes=0-', 0, 25),
  one('open, from the middle', 'bytes=13-', 13, 25),
  one('open, from the last', 'bytes=25-', 25, 25),
  one('the last of all', 'bytes=-1', 25, 25),
  one('the last ten', 'bytes=-10', 16, 25),
  one('as many of the last as there are', 'bytes=-26', 0, 25),
  one('more of the last than there are', 'bytes=-27', 0, 25),
  one('far more of the last', 'bytes=-1000000', 0, 25),
  one('zeros in front', 'bytes=0000-0009', 0, 9),
  one('zeros in front of a suffix', 'bytes=-00005', 21, 25),
  one('the unit in capitals', 'BYTES=0-1', 0, 1),
  one('spaces around it', 'bytes= 0-1 ', 0, 1),
  one('empty elements', 'bytes=,0-1,,', 0, 1),

  // Numbers beyond all that is known.
  one('an end of 2^63-1', 'bytes=5-9223372036854775807', 5, 25),
  one('an end of 2^63', 'bytes=5-9223372036854775808', 5, 25),
  one('an end of 2^64-1', 'bytes=5-18446744073709551615', 5, 25),
  one('an end of 2^64', 'bytes=5-18446744073709551616', 5, 25),
  one('an end of 40 digits', `bytes=5-${'9'.repeat(40)}`, 5, 25),
  one('a suffix of 2^64', 'bytes=-18446744073709551616', 0, 25),
  one('a suffix of 40 digits', `bytes=-${'9'.repeat(40)}`, 0, 25),
  none('a start of 2^63', 'bytes=9223372036854775808-'),
  none('a start of 2^64-1', 'bytes=18446744073709551615-'),
  none('a start of 2^64', 'bytes=18446744073709551616-'),
  none('both of 2^64', 'bytes=18446744073709551616-18446744073709551617'),
  none('a start of 40 digits', `bytes=${'9'.repeat(40)}-`),

  // Not there.
  none('from the end', 'bytes=26-'),
  none('beyond the end', 'bytes=100-200'),
  none('the last none', 'bytes=-0'),
  none('several, none there', 'bytes=26-,30-40,-0'),
  none('the last none, spelled long', 'bytes=-000'),

  // Not right: as if it were not there (§14.2).
  whole('backwards', 'bytes=9-0'),
  whole('one of several backwards', 'bytes=0-1,9-8'),
  whole('nothing', ''),
  whole('the unit alone', 'bytes'),
  whole('no set', 'bytes='),
  whole('a set of commas', 'bytes=,,'),
  whole('a dash', 'bytes=-'),
  whole('two dashes', 'bytes=--1'),
  whole('three numbers', 'bytes=1-2-3'),
  whole('no dash', 'bytes=5'),
  whole('no number', 'bytes=a-b'),
  whole('a number and a letter', 'bytes=0-9x'),
  whole('a sign', 'bytes=+0-9'),
  whole('a minus', 'bytes=0--9'),
  whole('hexadecimal', 'bytes=0x0-0x9'),
  whole('a point', 'bytes=0.0-9.0'),
  whole('spaces within', 'bytes=0 - 9'),
  whole('a space before the equals sign', 'bytes =0-9'),
  whole('a colon', 'bytes: 0-9'),
  whole('a semicolon between', 'bytes=0-1;4-5'),
  whole('another unit', 'items=0-9'),
  whole('a unit that begins like it', 'bytesx=0-9'),
  whole('a unit that ends like it', 'xbytes=0-9'),
  whole('no unit', '0-9'),
  whole('one of several broken', 'bytes=0-1,x,4-5'),
  ['Range twice', 'GET /abc.txt', ['Range: bytes=0-1', 'Range: bytes=4-5'], 200],
  ['range in small letters', 'GET /abc.txt', ['range: bytes=0-1'], 206, { range: [0, 1] }],

  // Several.
  many('two', 'bytes=0-1,4-5', [0, 1], [4, 5]),
  many('two, and spaces', 'bytes=0-1 ,  4-5', [0, 1], [4, 5]),
  many('two, and tabs', 'bytes=0-1\t,\t4-5', [0, 1], [4, 5]),
  many('in another order', 'bytes=20-22,0-2', [20, 22], [0, 2]),
  many('next to each other', 'bytes=0-4,5-9', [0, 4], [5, 9]),
  many('overlapping a little', 'bytes=0-4,3-7', [0, 4], [3, 7]),
  many('the same twice', 'bytes=0-4,0-4', [0, 4], [0, 4]),
  many('first and last', 'bytes=0-0,-1', [0, 0], [25, 25]),
  many('an open one last', 'bytes=0-1,20-', [0, 1], [20, 25]),
  many('three, one beyond the end', 'bytes=0-1,99-,4-5', [0, 1], [4, 5]),
  many('all, in halves', 'bytes=0-12,13-25', [0, 12], [13, 25]),
  many(
    'as many as are taken',
    `bytes=${Array.from({ length: 16 }, (_, n) => `${n}-${n}`).join()}`,
    ...Array.from({ length: 16 }, (_, n) => [n, n]),
  ),
  one('two, one of them beyond the end', 'bytes=0-3,99-', 0, 3),
  one('two, the first beyond the end', 'bytes=99-,0-3', 0, 3),
  one('two, one of them the last none', 'bytes=-0,0-3', 0, 3),
  whole(
    'one more than are taken',
    `bytes=${Array.from({ length: 17 }, (_, n) => `${n}-${n}`).join()}`,
  ),
  whole('very many', `bytes=${'0-0,'.repeat(1000)}0-0`),
  whole('the whole twice', 'bytes=0-,0-'),
  whole('together more than the whole', 'bytes=0-20,5-25'),
  whole('many small ones beyond count and the whole', `bytes=${'0-25,'.repeat(15)}0-25`),

  // Small files.
  ['an empty file: from 0', 'GET /empty.txt', ['Range: bytes=0-'], 200],
  ['an empty file: the last', 'GET /empty.txt', ['Range: bytes=-5'], 200],
  ['an empty file: beyond', 'GET /empty.txt', ['Range: bytes=5-9'], 200],
  ['one byte: from 0', 'GET /one.txt', ['Range: bytes=0-'], 206, { range: [0, 0] }],
  ['one byte: the last', 'GET /one.txt', ['Range: bytes=-1'], 206, { range: [0, 0] }],
  [
    'one byte: from 1',
    'GET /one.txt',
    ['Range: bytes=1-'],
    416,
    { fields: { 'content-range': 'bytes */1' } },
  ],

  // Large ones: at and across the sizes that buffers have.
  ...[16_384, 65_536, 131_072, 1 << 20, 2 << 20].flatMap((at) => [
    [
      `large: across ${at}`,
      'GET /large.bin',
      [`Range: bytes=${at - 3}-${at + 3}`],
      206,
      { range: [at - 3, at + 3] },
    ],
    [
      `large: the first ${at}`,
      'GET /large.bin',
      [`Range: bytes=0-${at - 1}`],
      206,
      { range: [0, at - 1] },
    ],
    [
      `large: all but ${at}`,
      'GET /large.bin',
      [`Range: bytes=${at}-`],
      206,
      { range: [at, (3 << 20) - 1] },
    ],
  ]),
  [
    'large: two of 100 KB',
    'GET /large.bin',
    ['Range: bytes=1000-101000,2000000-2100000'],
    206,
    {
      ranges: [
        [1000, 101_000],
        [2_000_000, 2_100_000],
      ],
    },
  ],
  [
    'large: small and large',
    'GET /large.bin',
    ['Range: bytes=7-7,65536-2000000,-1'],
    206,
    {
      ranges: [
        [7, 7],
        [65_536, 2_000_000],
        [(3 << 20) - 1, (3 << 20) - 1],
      ],
    },
  ],

  // Other methods have no ranges (§14.2).
  [
    'HEAD with a range',
    'HEAD /abc.txt',
    ['Range: bytes=0-3'],
    200,
    { fields: { 'content-range': null, 'content-length': '26' } },
  ],
  [
    'HEAD with a range that is not there',
    'HEAD /abc.txt',
    ['Range: bytes=99-'],
    200,
    { fields: { 'content-length': '26' } },
  ],
  [
    'HEAD with several ranges',
    'HEAD /abc.txt',
    ['Range: bytes=0-1,4-5'],
    200,
    { fields: { 'content-length': '26' } },
  ],

  // Conditions come first (§13.2.2).
  ['304 before a range', 'GET /abc.txt', ['If-None-Match: {tag}', 'Range: bytes=0-3'], 304],
  [
    '304 by date before a range',
    'GET /abc.txt',
    [`If-Modified-Since: ${SAME}`, 'Range: bytes=0-3'],
    304,
  ],
  ['412 before a range', 'GET /abc.txt', ['If-Match: "a"', 'Range: bytes=0-3'], 412],
  [
    '412 by date before a range',
    'GET /abc.txt',
    [`If-Unmodified-Since: ${EARLIER}`, 'Range: bytes=0-3'],
    412,
  ],
  ['412 before 416', 'GET /abc.txt', ['If-Match: "a"', 'Range: bytes=99-'], 412],
  ['304 before 416', 'GET /abc.txt', ['If-None-Match: *', 'Range: bytes=99-'], 304],
  [
    'If-Match holds, and a range',
    'GET /abc.txt',
    ['If-Match: {tag}', 'Range: bytes=0-3'],
    206,
    { range: [0, 3] },
  ],
  [
    'If-None-Match does not match, and a range',
    'GET /abc.txt',
    ['If-None-Match: "a"', 'Range: bytes=0-3'],
    206,
    { range: [0, 3] },
  ],
  [
    'If-Unmodified-Since holds, and a range',
    'GET /abc.txt',
    [`If-Unmodified-Since: ${SAME}`, 'Range: bytes=-3'],
    206,
    { range: [23, 25] },
  ],
  [
    'If-Modified-Since holds, and a range that is not there',
    'GET /abc.txt',
    [`If-Modified-Since: ${EARLIER}`, 'Range: bytes=26-'],
    416,
  ],
  ['404 before 416', 'GET /missing', ['Range: bytes=99-'], 404],
];

const withIfRange = (name, value, isRange, more = []) => [
  `If-Range: ${name}`,
  'GET /abc.txt',
  ['Range: bytes=3-5', `If-Range: ${value}`, ...more],
  isRange ? 206 : 200,
  isRange ? { range: [3, 5] } : {},
];

export const ifRanges = [
  withIfRange('the tag', '{tag}', true),
  withIfRange('another tag', '"other"', false),
  withIfRange('the tag as a weak one', 'W/{tag}', false),
  withIfRange('another weak tag', 'W/"other"', false),
  withIfRange('*, which is no tag', '*', false),
  withIfRange('a list with the tag', '"a", {tag}', false),
  withIfRange('the tag twice', '{tag}, {tag}', false),
  withIfRange('the tag without quotes', 'other', false),
  withIfRange('nothing', '', false),
  withIfRange('the date', SAME, true),
  withIfRange('the date, RFC 850', SAME_850, true),
  withIfRange('the date, asctime', SAME_ASCTIME, true),
  withIfRange('a later date', LATER, false),
  withIfRange('an earlier date', EARLIER, false),
  withIfRange('no date', 'yesterday', false),
  withIfRange('a date of another zone', 'Sat, 01 Jan 2022 12:00:00 CET', false),
  withIfRange('the tag, and If-Match', '{tag}', true, ['If-Match: {tag}']),
  withIfRange('another tag, and If-Match', '"other"', false, ['If-Match: {tag}']),
  withIfRange('the tag, and If-None-Match that does not match', '{tag}', true, [
    'If-None-Match: "a"',
  ]),
  withIfRange('another date, and If-Unmodified-Since', EARLIER, false, [
    `If-Unmodified-Since: ${SAME}`,
  ]),
  [
    'If-Range and 412',
    'GET /abc.txt',
    ['Range: bytes=3-5', 'If-Range: {tag}', 'If-Match: "a"'],
    412,
  ],
  [
    'If-Range and 304',
    'GET /abc.txt',
    ['Range: bytes=3-5', 'If-Range: {tag}', 'If-None-Match: {tag}'],
    304,
  ],
  ['If-Range without Range', 'GET /abc.txt', ['If-Range: {tag}'], 200],
  ['If-Range of another tag without Range', 'GET /abc.txt', ['If-Range: "other"'], 200],
  [
    'If-Range twice',
    'GET /abc.txt',
    ['Range: bytes=3-5', 'If-Range: {tag}', 'If-Range: {tag}'],
    200,
  ],
  [
    'If-Range of the tag, the range not there',
    'GET /abc.txt',
    ['Range: bytes=99-', 'If-Range: {tag}'],
    416,
  ],
  [
    'If-Range of another tag, the range not there',
    'GET /abc.txt',
    ['Range: bytes=99-', 'If-Range: "other"'],
    200,
  ],
  [
    'If-Range of the tag, several ranges',
    'GET /abc.txt',
    ['Range: bytes=0-0,2-2', 'If-Range: {tag}'],
    206,
    {
      ranges: [
        [0, 0],
        [2, 2],
      ],
    },
  ],
  [
    'If-Range of another tag, several ranges',
    'GET /abc.txt',
    ['Range: bytes=0-0,2-2', 'If-Range: "other"'],
    200,
  ],
  [
    'If-Range of the tag, a broken range',
    'GET /abc.txt',
    ['Range: bytes=x', 'If-Range: {tag}'],
    200,
  ],
];
