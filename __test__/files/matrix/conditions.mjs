// The five conditions, in the order of RFC 9110 §13.2.2. The file was modified at SAME.

import { EARLIER, FUTURE, LATER, SAME, SAME_850, SAME_ASCTIME } from './fixture.mjs';

const get = (name, lines, status, expected) => [name, 'GET /ten.txt', lines, status, expected];
const inm = (name, value, status) =>
  get(`If-None-Match: ${name}`, [`If-None-Match: ${value}`], status);
const im = (name, value, status) => get(`If-Match: ${name}`, [`If-Match: ${value}`], status);
const ims = (name, value, status) =>
  get(`If-Modified-Since: ${name}`, [`If-Modified-Since: ${value}`], status);
const ius = (name, value, status) =>
  get(`If-Unmodified-Since: ${name}`, [`If-Unmodified-Since: ${value}`], status);

export const conditions = [
  get('no condition', [], 200, {
    fields: { etag: /^"[^"]+"$/, 'last-modified': SAME, 'content-length': '10' },
  }),
  get('304 has what a cache needs, and no body', ['If-None-Match: {tag}'], 304, {
    fields: { etag: /^"[^"]+"$/, 'content-range': null },
  }),

  // If-None-Match compares weakly (§13.1.2).
  inm('the tag', '{tag}', 304),
  inm('the tag as a weak one', 'W/{tag}', 304),
  inm('another tag', '"other"', 200),
  inm('another weak tag', 'W/"other"', 200),
  inm('an empty tag', '""', 200),
  inm('*', '*', 304),
  inm('* in quotes is a tag', '"*"', 200),
  inm('first of a list', '{tag}, "other"', 304),
  inm('last of a list', '"a", "b", {tag}', 304),
  inm('in the middle of a list', '"a",{tag},"b"', 304),
  inm('weak in a list', '"a", W/{tag}', 304),
  inm('not in a list', '"a", "b", W/"c"', 200),
  inm('a list with empty elements', ', ,{tag},,', 304),
  inm('a list with tabs', '"a"\t,\t{tag}', 304),
  inm('a tag with a comma in it', '"a,b", {tag}', 304),
  inm('the tag within another tag', '"x, y", "z"', 200),
  inm('nothing', '', 200),
  inm('a tag without quotes', 'other', 200),
  inm('a tag whose quote does not end', '"other', 200),
  inm('a small w is not weak', 'w/{tag}', 200),
  inm('something broken, then the tag', 'broken, {tag}', 304),
  inm('the tag in other quotes', "'x'", 200),
  inm('a long list without it', Array.from({ length: 40 }, (_, n) => `"tag-${n}"`).join(', '), 200),
  inm('a long list with it', `${'"some-other-tag", '.repeat(40)}{tag}`, 304),
  get('If-None-Match in two lines', ['If-None-Match: "a"', 'If-None-Match: {tag}'], 304),
  get('If-None-Match in two lines, the first', ['If-None-Match: {tag}', 'If-None-Match: "a"'], 304),
  get('If-None-Match in two lines, neither', ['If-None-Match: "b"', 'If-None-Match: "a"'], 200),
  get(
    'If-None-Match in four lines',
    ['"a"', '"b"', '"c"', '{tag}'].map((tag) => `If-None-Match: ${tag}`),
    304,
  ),
  get('if-none-match in small letters', ['if-none-match: {tag}'], 304),
  get('IF-NONE-MATCH in capitals', ['IF-NONE-MATCH: {tag}'], 304),

  // If-Match compares strongly (§13.1.1).
  im('the tag', '{tag}', 200),
  im('the tag as a weak one', 'W/{tag}', 412),
  im('another tag', '"other"', 412),
  im('*', '*', 200),
  im('* in quotes is a tag', '"*"', 412),
  im('first of a list', '{tag}, "other"', 200),
  im('last of a list', '"a", "b", {tag}', 200),
  im('weak in a list', '"a", W/{tag}', 412),
  im('weak and strong in a list', 'W/{tag}, {tag}', 200),
  im('not in a list', '"a", "b"', 412),
  im('a list with empty elements', ',, {tag} ,', 200),
  im('nothing', '', 412),
  im('something broken', 'broken', 412),
  im('something broken, then the tag', 'broken, {tag}', 200),
  get('If-Match in two lines', ['If-Match: "a"', 'If-Match: {tag}'], 200),
  get('If-Match in two lines, neither', ['If-Match: "a"', 'If-Match: "b"'], 412),

  // If-Modified-Since (§13.1.3), with the three forms of a date (§5.6.7).
  ims('the same second', SAME, 304),
  ims('the same second, RFC 850', SAME_850, 304),
  ims('the same second, asctime', SAME_ASCTIME, 304),
  ims('a second later', LATER, 304),
  ims('a second earlier', EARLIER, 200),
  ims('a second earlier, RFC 850', 'Saturday, 01-Jan-22 11:59:59 GMT', 200),
  ims('a second earlier, asctime', 'Sat Jan  1 11:59:59 2022', 200),
  ims('long before', 'Thu, 01 Jan 1970 00:00:00 GMT', 200),
  ims('long before, RFC 850 of the last century', 'Thursday, 01-Jan-98 00:00:00 GMT', 200),
  ims('nothing', '', 200),
  ims('no date', 'yesterday', 200),
  ims('a number', '1641038400', 200),
  ims('a date of ISO 8601', '2022-01-01T12:00:00Z', 200),
  ims('another zone', 'Sat, 01 Jan 2022 12:00:00 CET', 200),
  ims('a day that is not', 'Sat, 32 Jan 2022 12:00:00 GMT', 200),
  ims('the 30th of February', 'Wed, 30 Feb 2022 12:00:00 GMT', 200),
  ims('an hour that is not', 'Sat, 01 Jan 2022 25:00:00 GMT', 200),
  ims('a year of two digits', 'Sat, 01 Jan 22 12:00:00 GMT', 200),
  ims('something behind it', `${SAME}; length=10`, 200),
  get('If-Modified-Since twice', [`If-Modified-Since: ${SAME}`, `If-Modified-Since: ${SAME}`], 200),

  // If-Unmodified-Since (§13.1.4).
  ius('the same second', SAME, 200),
  ius('the same second, RFC 850', SAME_850, 200),
  ius('the same second, asctime', SAME_ASCTIME, 200),
  ius('a second later', LATER, 200),
  ius('a second earlier', EARLIER, 412),
  ius('a second earlier, RFC 850', 'Saturday, 01-Jan-22 11:59:59 GMT', 412),
  ius('a second earlier, asctime', 'Sat Jan  1 11:59:59 2022', 412),
  ius('the future', FUTURE, 200),
  ius('no date', 'tomorrow', 200),
  ius('nothing', '', 200),
  get(
    'If-Unmodified-Since twice',
    [`If-Unmodified-Since: ${EARLIER}`, `If-Unmodified-Since: ${EARLIER}`],
    200,
  ),

  // Together, in order (§13.2.2).
  get(
    'If-None-Match wins over If-Modified-Since that holds',
    ['If-None-Match: "a"', `If-Modified-Since: ${SAME}`],
    200,
  ),
  get(
    'If-None-Match wins over If-Modified-Since that does not',
    ['If-None-Match: {tag}', `If-Modified-Since: ${EARLIER}`],
    304,
  ),
  get(
    'If-None-Match and If-Modified-Since agree',
    ['If-None-Match: {tag}', `If-Modified-Since: ${SAME}`],
    304,
  ),
  get(
    'If-None-Match that is broken still wins',
    ['If-None-Match: broken', `If-Modified-Since: ${SAME}`],
    200,
  ),
  get(
    'If-Match wins over If-Unmodified-Since that fails',
    ['If-Match: {tag}', `If-Unmodified-Since: ${EARLIER}`],
    200,
  ),
  get(
    'If-Match that fails wins over If-Unmodified-Since',
    ['If-Match: "a"', `If-Unmodified-Since: ${SAME}`],
    412,
  ),
  get('If-Match holds, If-None-Match matches', ['If-Match: {tag}', 'If-None-Match: {tag}'], 304),
  get(
    'If-Match fails before If-None-Match is asked',
    ['If-Match: "a"', 'If-None-Match: {tag}'],
    412,
  ),
  get('If-Match holds, If-None-Match does not match', ['If-Match: *', 'If-None-Match: "a"'], 200),
  get('If-Match and If-Modified-Since', ['If-Match: {tag}', `If-Modified-Since: ${SAME}`], 304),
  get(
    'If-Unmodified-Since holds, If-None-Match matches',
    [`If-Unmodified-Since: ${SAME}`, 'If-None-Match: {tag}'],
    304,
  ),
  get(
    'If-Unmodified-Since fails before If-None-Match',
    [`If-Unmodified-Since: ${EARLIER}`, 'If-None-Match: {tag}'],
    412,
  ),
  get(
    'If-Unmodified-Since and If-Modified-Since both hold',
    [`If-Unmodified-Since: ${SAME}`, `If-Modified-Since: ${EARLIER}`],
    200,
  ),
  get(
    'both dates are the same',
    [`If-Unmodified-Since: ${SAME}`, `If-Modified-Since: ${SAME}`],
    304,
  ),
  get(
    'If-Unmodified-Since fails, If-Modified-Since would hold',
    [`If-Unmodified-Since: ${EARLIER}`, `If-Modified-Since: ${EARLIER}`],
    412,
  ),
  get(
    'all five that hold',
    [
      'If-Match: {tag}',
      'If-None-Match: "a"',
      `If-Modified-Since: ${SAME}`,
      `If-Unmodified-Since: ${EARLIER}`,
      'If-Range: {tag}',
    ],
    200,
  ),

  // What is not there has no conditions (§13.2.1).
  ['404 whatever If-None-Match says', 'GET /missing', ['If-None-Match: *'], 404],
  ['404 whatever If-Match says', 'GET /missing', ['If-Match: *'], 404],
  [
    '404 whatever the dates say',
    'GET /missing',
    [`If-Modified-Since: ${FUTURE}`, `If-Unmodified-Since: ${EARLIER}`],
    404,
  ],

  // An empty file is a file.
  ['an empty file', 'GET /empty.txt', [], 200, { fields: { 'content-length': '0' } }],
  ['an empty file that matches', 'GET /empty.txt', ['If-None-Match: {tag}'], 304],
  ['an empty file that is too new', 'GET /empty.txt', [`If-Unmodified-Since: ${EARLIER}`], 412],
];

/** What depends on the times of files: for folders only. */
export const times = [
  [
    'a file of the future has no Last-Modified later than now',
    'GET /future.txt',
    [],
    200,
    { fields: { 'last-modified': null } },
  ],
  ['a file of the future is known by its tag', 'GET /future.txt', ['If-None-Match: {tag}'], 304],
  [
    'a file of the epoch has no validators',
    'GET /epoch.txt',
    [],
    200,
    { fields: { etag: null, 'last-modified': null } },
  ],
  ['a file of the epoch: If-None-Match', 'GET /epoch.txt', ['If-None-Match: "a"'], 200],
  ['a file of the epoch: If-None-Match: *', 'GET /epoch.txt', ['If-None-Match: *'], 304],
  ['a file of the epoch: If-Match', 'GET /epoch.txt', ['If-Match: "a"'], 412],
  ['a file of the epoch: If-Modified-Since', 'GET /epoch.txt', [`If-Modified-Since: ${SAME}`], 200],
  ['a file of the epoch: If-Range', 'GET /epoch.txt', ['Range: bytes=0-1', 'If-Range: "a"'], 200],
  ['a file of the epoch: a range', 'GET /epoch.txt', ['Range: bytes=0-1'], 206, { range: [0, 1] }],
];
