#!/usr/bin/env node
// Judges the figures of a results file again and writes its tables and charts anew, after a
// change of promises, tables or charts: `bench/again.mjs bench/results/2026-11-30-all.json`.

import { readFileSync } from 'node:fs';
import { Failure, main } from './lib/failure.mjs';
import { plots } from './lib/plots.mjs';
import { comparisons, judge } from './lib/promises.mjs';
import { write } from './lib/report.mjs';
import { markdown } from './lib/tables.mjs';

await main(() => {
  const [path] = process.argv.slice(2);
  if (!path?.endsWith('.json')) throw new Failure('usage: bench/again.mjs bench/results/NAME.json');
  const data = JSON.parse(readFileSync(path, 'utf8'));
  const { results } = data;
  if (results === undefined) throw new Failure(`${path} is no result of bench/run.mjs`);
  data.promises = [...comparisons(results), ...judge(results)];
  write(path.replace(/\.json$/, ''), data, (stem) => markdown(data, stem), plots(results));
});
