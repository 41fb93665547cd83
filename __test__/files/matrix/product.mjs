// Conditions × ranges × codings, each with each, of /sib.js: what must come of them is computed from
// what each alone says. It has siblings for br, gzip and zstd, and 4,000 bytes.

import { EARLIER, SAME } from './fixture.mjs';

const SIZE = 4000;

/** [lines, what comes of them for a coding that was chosen]. */
const CONDITIONS = [
  [[], () => 200],
  [['If-None-Match: {tag}'], (coding) => (coding === undefined ? 304 : 200)],
  [['If-None-Match: W/{tag}'], (coding) => (coding === undefined ? 304 : 200)],
  [['If-None-Match: {tag:br}'], (coding) => (coding === 'br' ? 304 : 200)],
  [['If-None-Match: "x", {tag:gzip}'], (coding) => (coding === 'gzip' ? 304 : 200)],
  [['If-None-Match: "x"'], () => 200],
  [['If-None-Match: *'], () => 304],
  [['If-Match: {tag}'], (coding) => (coding === undefined ? 200 : 412)],
  [['If-Match: {tag:br}, {tag:gzip}'], (coding) => (coding === undefined ? 412 : 200)],
  [['If-Match: "x"'], () => 412],
  [['If-Match: *'], () => 200],
  [[`If-Modified-Since: ${SAME}`], () => 304],
  [[`If-Modified-Since: ${EARLIER}`], () => 200],
  [[`If-Unmodified-Since: ${SAME}`], () => 200],
  [[`If-Unmodified-Since: ${EARLIER}`], () => 412],
  [['If-None-Match: "x"', `If-Modified-Since: ${SAME}`], () => 200],
];

/** [lines, what is sent where the file is sent as it is]; without it, all of what was chosen. */
const RANGES = [
  [[]],
  [['Range: bytes=0-9'], { range: [0, 9] }],
  [['Range: bytes=-5'], { range: [3995, 3999] }],
  [['Range: bytes=3990-'], { range: [3990, 3999] }],
  [
    ['Range: bytes=0-1,10-12'],
    {
      ranges: [
        [0, 1],
        [10, 12],
      ],
    },
  ],
  [['Range: bytes=4000-'], { status: 416 }],
  [['Range: bytes=9-0']],
  [['Range: items=0-9']],
  [['Range: bytes=0-9', 'If-Range: {tag}'], { range: [0, 9] }],
  [['Range: bytes=0-9', `If-Range: ${SAME}`], { range: [0, 9] }],
  [['Range: bytes=0-9', 'If-Range: "x"']],
  [['Range: bytes=0-9', `If-Range: ${EARLIER}`]],
];

/** [line, the coding that is chosen, whether the file may be sent as it is]. */
const CODINGS = [
  [null, undefined, true],
  ['gzip', 'gzip', true],
  ['br, gzip', 'br', true],
  ['gzip;q=0, br;q=0', undefined, true],
  ['gzip, identity;q=0', 'gzip', false],
  ['*;q=0', null, false],
];

export const product = CONDITIONS.flatMap(([condition, verdict]) =>
  RANGES.flatMap(([range, part]) =>
    CODINGS.map(([codings, chosen, mayBePlain]) => {
      const lines = [
        ...condition,
        ...range,
        ...(codings === null ? [] : [`Accept-Encoding: ${codings}`]),
      ];
      return [lines.join(' | ') || 'nothing', 'GET /sib.js', lines, ...cell()];

      function cell() {
        if (chosen === null) return [406, {}];
        const isPart = part !== undefined && mayBePlain;
        const coding = isPart ? undefined : chosen;
        const status = verdict(coding);
        if (status !== 200) return [status, {}];
        if (!isPart) return [200, { coding }];
        if (part.status === 416) {
          return [416, { fields: { 'content-range': `bytes */${SIZE}` } }];
        }
        return [206, part];
      }
    }),
  ),
);
