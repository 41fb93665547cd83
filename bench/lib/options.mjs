// Command lines: `--key value` pairs, all with defaults, and optionally a
// command after `--`.

import { parseArgs } from 'node:util';
import { Failure } from './failure.mjs';

/**
 * @param usage the text that --help prints
 * @param table name → default. A number takes whole numbers from 0 up, one
 *   that is no whole number takes such too, `false` is
 *   a flag, an array takes comma-separated words, a string or null takes text.
 * @returns the options, and under `rest` the words after `--`
 */
export function options(usage, table) {
  const entries = Object.entries(table);
  const { values, positionals, tokens } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(
        entries.map(([name, value]) => [name, { type: value === false ? 'boolean' : 'string' }]),
      ),
    },
    allowPositionals: true,
    tokens: true,
  });
  if (values.help) {
    console.log(usage.trim());
    process.exit(0);
  }
  const end = tokens.find((token) => token.kind === 'option-terminator');
  const stray = tokens.find(
    (token) => token.kind === 'positional' && !(end && token.index > end.index),
  );
  if (stray) throw new Failure(`unexpected argument '${stray.value}', see --help`);

  const parsed = { rest: positionals };
  for (const [name, fallback] of entries) parsed[name] = value(name, values[name], fallback);
  return parsed;
}

function value(name, given, fallback) {
  if (given === undefined) return fallback;
  if (Array.isArray(fallback)) return given.split(',').filter(Boolean);
  if (typeof fallback !== 'number') return given;
  if (!Number.isInteger(fallback)) {
    if (/^\d+(\.\d+)?$/.test(given)) return Number(given);
    throw new Failure(`--${name} takes a number such as 0.5, not '${given}'`);
  }
  if (!/^\d+$/.test(given)) throw new Failure(`--${name} takes a whole number, not '${given}'`);
  return Number(given);
}

/** The entries of `table` that `names` picks, all that are not `extra` when it is empty. */
export function pick(what, table, names) {
  if (names.length === 0) return Object.entries(table).filter(([, entry]) => !entry.extra);
  for (const name of names) {
    if (!Object.hasOwn(table, name)) {
      throw new Failure(`no ${what} '${name}'; there are: ${Object.keys(table).join(', ')}`);
    }
  }
  return Object.entries(table).filter(([name]) => names.includes(name));
}
