import type { NativeServer } from '../binding/binding.js';
import { inspect } from '../errors/inspect.js';

/** What a program may add to a page, in bytes. */
const MOST_BYTES = 1_048_576;

/** The characters of a message that a page and a warning show. */
const MOST_SHOWN = 200;

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*[ \\t]*=[ \\t]*"(?:[^"\\\\]|\\\\.)*"';
const VALUE = '[+-]?(?:(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:e[+-]?\\d+)?|inf|infinity|nan)';

/**
 * A sample, matched in a time that grows with its length only. The example of a trace, which OpenMetrics
 * adds behind it, is not of this format.
 */
const SAMPLE = new RegExp(
  `^(${NAME}(?:[ \\t]*\\{[ \\t]*(?:${LABEL}[ \\t]*(?:,[ \\t]*|(?=\\})))*\\})?[ \\t]*(?<=[ \\t}])${VALUE}(?:[ \\t]+-?\\d+)?)(?:[ \\t]+#.*)?$`,
  'is',
);

/** What is said of a family. */
const FAMILY = new RegExp(`^#[ \\t]+(HELP|TYPE|UNIT)(?:[ \\t]+(${NAME})(?:[ \\t]+(.*))?)?$`, 's');

const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** Answers the page of metrics with the program's own. Warns once if they are not to be had. */
export function tellMetrics(native: NativeServer, registry: () => unknown): void {
  let hasWarned = false;
  native.askProgram(async () => {
    try {
      native.programSaid(true, checkedPage(await registry()));
    } catch (error) {
      const why = `metrics.registry ${reasonOf(error)}`;
      native.programSaid(false, `# The program's own metrics are missing: ${why}\n`);
      if (!hasWarned) {
        hasWarned = true;
        process.emitWarning(`reactor-rs: /metrics is without the program's own: ${why}`, {
          type: 'ReactorWarning',
        });
      }
    }
  });
}

/** What is wrong with the answer of a program. */
class WrongPage extends Error {}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : inspect(error);
  const reason = error instanceof WrongPage ? message : `failed: ${message}`;
  // A comment is one line.
  const line = reason.replace(/[\s\p{C}]+/gu, ' ');
  return line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN - 1)}…` : line;
}

/**
 * The lines of a page in the text format of Prometheus, ready to stand behind others. One line that
 * is wrong would make Prometheus refuse them all.
 */
export function checkedPage(page: unknown): string {
  if (typeof page !== 'string') {
    throw new WrongPage(`answered ${inspect(page)} in place of text`);
  }
  const bytes = Buffer.byteLength(page);
  if (bytes > MOST_BYTES) {
    throw new WrongPage(`answered ${bytes} bytes, and ${MOST_BYTES} are allowed`);
  }
  let lines = '';
  for (const [index, line] of page.split('\n').entries()) {
    const checked = checkedLine(line.trim());
    if (checked === undefined) {
      throw new WrongPage(
        `answered text that is not in the format of Prometheus: line ${index + 1} is ${inspect(line)}`,
      );
    }
    lines += checked;
  }
  return lines;
}

/** A line with its end, or nothing for one that says nothing. `undefined` if it is wrong. */
function checkedLine(line: string): string | undefined {
  if (line === '' || line === '# EOF') {
    return '';
  }
  if (line.includes('\0')) {
    return undefined;
  }
  if (!line.startsWith('#')) {
    const sample = SAMPLE.exec(line)?.[1];
    return sample === undefined ? undefined : `${sample}\n`;
  }
  if (!/^#[ \t]+(HELP|TYPE|UNIT)\b/.test(line)) {
    return `${line}\n`;
  }
  const [, what, name, rest = ''] = FAMILY.exec(line) ?? [];
  // OpenMetrics' word.
  const text = what === 'TYPE' && rest === 'unknown' ? 'untyped' : rest;
  if (name === undefined || (what === 'TYPE' && !TYPES.includes(text))) {
    return undefined;
  }
  return `# ${what} ${name} ${text}\n`;
}
