// Results files: JSON with everything, Markdown for people.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
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

/** Writes DATE-NAME.json and .md; a second result of one day gets a number. */
export function save(name, data, markdown) {
  mkdirSync(results, { recursive: true });
  const stem = `${results}/${data.date.slice(0, 10)}-${name}`;
  let path = stem;
  for (let n = 2; existsSync(`${path}.json`); n++) path = `${stem}-${n}`;
  writeFileSync(`${path}.json`, `${JSON.stringify(data, null, 1)}\n`);
  writeFileSync(`${path}.md`, `${markdown}\n`);
  console.error(`bench: wrote ${path}.json and .md`);
}
