// The results as bar charts, one SVG for each group of scenarios: processor time per request
// (for steady rates p99) as a multiple of the best peer's. Written by hand, so that a run needs
// no library; colours follow the reader's light or dark scheme.

import { isOurs, isPeer } from './kinds.mjs';
import { fixed, whole } from './numbers.mjs';
import { groups, scenarios } from './scenarios.mjs';

const WIDTH = 760;
const LABELS = 150;
const BARS = 380;
const ROW = 18;
const HEAD = 34;
const GAP = 22;

/** A bar beyond this many times the best peer's is cut. */
const MOST = 4;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .head { font-weight: 600; font-size: 15px }
  .ours { fill: #0969da }
  .peer { fill: #8c959f }
  .other { fill: #c8cdd3 }
  .best { stroke: #cf222e; stroke-dasharray: 3 3 }
  .spread { stroke: #24292f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #58a6ff }
    .peer { fill: #8b949e }
    .other { fill: #484f58 }
    .best { stroke: #ff7b72 }
    .spread { stroke: #e6edf3 }
  }`;

/** What a scenario is drawn by. */
function measureOf(scenario) {
  return scenario.client === 'openloop'
    ? { of: 'p99', say: (value) => `${whole(value)} µs` }
    : { of: 'cpu', say: (value) => `${fixed(value, value < 100 ? 2 : 0)} µs` };
}

/** @returns group → the text of an SVG file, for groups that have results */
export function plots(results) {
  return Object.fromEntries(
    Object.entries(groups).flatMap(([group, title]) => {
      const mine = Object.entries(results).filter(([name, byName]) => {
        return scenarios[name].group === group && Object.keys(byName).length > 0;
      });
      return mine.length > 0 ? [[group, plot(title, mine)]] : [];
    }),
  );
}

function plot(title, entries) {
  const parts = [];
  const what = entries.some(([name]) => scenarios[name].client === 'openloop')
    ? 'p99'
    : 'processor time per request';
  parts.push(text(8, 22, `${title}: ${what}, less is better`, 'head'));
  let y = HEAD;
  for (const [name, byName] of entries) {
    const { of, say } = measureOf(scenarios[name]);
    const bars = Object.entries(byName)
      .filter(([, figures]) => figures[of])
      .sort(([, a], [, b]) => a[of][0] - b[of][0]);
    const peers = bars.filter(([name]) => isPeer(name)).map(([, figures]) => figures[of][0]);
    const unit = Math.min(
      ...(peers.length > 0 ? peers : bars.map(([, figures]) => figures[of][0])),
    );
    y += GAP;
    parts.push(text(8, y - 6, scenarios[name].title, 'title'));
    const top = y;
    for (const [name, figures] of bars) {
      parts.push(...bar(name, figures[of], unit, y, say));
      y += ROW;
    }
    const one = x(1);
    parts.push(`<line class="best" x1="${one}" y1="${top - 2}" x2="${one}" y2="${y}"/>`);
  }
  const height = y + 12;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** Where a ratio ends. */
function x(ratio) {
  return Number((LABELS + (Math.min(ratio, MOST) / MOST) * BARS).toFixed(1));
}

function bar(name, [middle, least, most], unit, y, say) {
  const ratio = middle / unit;
  const end = x(ratio);
  const kind = isOurs(name) ? 'ours' : isPeer(name) ? 'peer' : 'other';
  const cut = ratio > MOST ? ' …' : '';
  const centre = y + ROW / 2 - 1;
  return [
    text(LABELS - 6, y + 12, name, '', 'end'),
    `<rect class="${kind}" x="${LABELS}" y="${y}" width="${(end - LABELS).toFixed(1)}" height="${ROW - 4}"/>`,
    `<line class="spread" x1="${x(least / unit)}" y1="${centre - 2}" x2="${x(most / unit)}" y2="${centre - 2}"/>`,
    text(LABELS + BARS + 10, y + 12, `${say(middle)}, ${ratio.toFixed(2)} ×${cut}`),
  ];
}

function text(x, y, words, kind = '', anchor = 'start') {
  const name = kind === '' ? '' : ` class="${kind}"`;
  return `<text x="${x}" y="${y}"${name} text-anchor="${anchor}">${escaped(words)}</text>`;
}

function escaped(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
