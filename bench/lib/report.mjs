// Results files: JSON with everything, Markdown for people.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { results } from './paths.mjs';

/** Where, on what and from which commit, as Markdown. */
export function preamble(title, { date, commit, dirty, machine, versions }) {
  const state = dirty ? ' with uncommitted changes' : '';
  return [
    `# ${title}`,
    '',
    `${date.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}${state}.`,
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}` +
      ` (${machine.os}), load ${machine.loadAtStart.toFixed(2)} at the start.`,
    '',
    `${Object.values(versions).filter(Boolean).join('; ')}.`,
  ].join('\n');
}

/** Targets as a list; each is { text, value, met }, where met is null if not measured. */
export function verdicts(targets) {
  const line = ({ text, value, met }) => {
    if (met == null) return `- not measured: ${text}`;
    return `- ${met ? 'met' : 'MISSED'}: ${text} (${value})`;
  };
  return targets.map(line).join('\n');
}

/** A warning, as a paragraph, when others used the machine during the runs; else nothing. */
export function disturbance(runs) {
  const disturbed = runs.filter((run) => run.otherCores + run.stolenCores > 0.1).length;
  if (disturbed === 0) return '';
  const share = `${disturbed} of ${runs.length} runs`;
  return `\n\nThe machine was not quiet: in ${share} others used more than a tenth of a core.`;
}

/**
 * Writes DATE-NAME.json and .md, and charts as DATE-NAME-GROUP.svg; a second result of one day
 * gets a number.
 * @param markdown the text, or what makes it of the name of the files
 * @param charts group → SVG
 */
export function save(name, data, markdown, charts = {}) {
  mkdirSync(results, { recursive: true });
  const stem = `${results}/${data.date.slice(0, 10)}-${name}`;
  let path = stem;
  for (let n = 2; existsSync(`${path}.json`); n++) path = `${stem}-${n}`;
  write(path, data, markdown, charts);
}

/** Writes PATH.json and .md, and PATH-GROUP.svg. */
export function write(path, data, markdown, charts = {}) {
  writeFileSync(`${path}.json`, `${compact(data)}\n`);
  const text = typeof markdown === 'string' ? markdown : markdown(basename(path));
  writeFileSync(`${path}.md`, `${text}\n`);
  for (const [group, svg] of Object.entries(charts)) writeFileSync(`${path}-${group}.svg`, svg);
  console.error(`bench: wrote ${path}.json and .md`);
}

/** JSON with a line for each value down to the third level, and what is below it on one line. */
export function compact(value, depth = 0) {
  if (depth === 3 || typeof value !== 'object' || value === null) return JSON.stringify(value);
  const indent = ' '.repeat(depth + 1);
  const lines = Array.isArray(value)
    ? value.map((entry) => compact(entry, Math.max(depth + 1, 3)))
    : Object.entries(value)
        .filter(([, entry]) => entry !== undefined)
        .map(([key, entry]) => `${JSON.stringify(key)}: ${compact(entry, depth + 1)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (lines.length === 0) return `${open}${close}`;
  return `${open}\n${indent}${lines.join(`,\n${indent}`)}\n${' '.repeat(depth)}${close}`;
}
