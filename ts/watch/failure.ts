import { readFileSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import { fileURLToPath as pathOf } from 'node:url';
import { inspect } from '../errors/inspect.js';

/** Where something is in a source, counted from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number | undefined;
}

/** A line of a source, beside an error. */
export interface CodeLine {
  readonly number: number;
  readonly text: string;
  /** The error is here. */
  readonly isHere: boolean;
}

/** An error, as developers want to see it. It can be sent to another thread. */
export interface Failure {
  /** Name, code and message, in one or more lines. */
  readonly headline: string;
  readonly place: Place | undefined;
  /** The source around the place. */
  readonly code: readonly CodeLine[];
  /** The calls that led there, without those inside Node and this package. */
  readonly frames: readonly string[];
  readonly cause: Failure | undefined;
  /** The errors of an `AggregateError`. */
  readonly errors: readonly Failure[];
}

/** How many lines are shown before and after the error's own. */
const AROUND = 3;

/** Lines of minified sources are longer. */
const LONGEST_LINE = 240;

const MOST_CAUSES = 8;
const MOST_ERRORS = 8;

const OWN = `${dirname(dirname(pathOf(import.meta.url)))}${sep}`;

/**
 * Reads an error and its causes.
 * @param fallback a text that may begin with a place, as Node prints one above a syntax error
 */
export function failureOf(error: unknown, fallback = '', depth = 0): Failure {
  if (!(error instanceof Error)) {
    const headline = `thrown: ${inspect(error)}`;
    return { headline, place: undefined, code: [], frames: [], cause: undefined, errors: [] };
  }
  const stack = textAt(error, 'stack');
  const message = textAt(error, 'message');
  const frames = framesIn(stack);
  const place =
    placeAbove(stack) ??
    placeAbove(fallback) ??
    placeOfImport(message) ??
    placeInJson(message) ??
    placeOfCompiler(message) ??
    placeOf(frames.find(({ place }) => !isOfPackage(place)) ?? frames[0]);
  const cause = depth < MOST_CAUSES ? error.cause : undefined;
  const errors = error instanceof AggregateError && depth < MOST_CAUSES ? error.errors : [];
  return {
    headline: headlineOf(error, message),
    place,
    code: place === undefined ? [] : codeAt(place),
    frames: frames.map(({ text }) => text),
    cause: cause === undefined || cause === null ? undefined : failureOf(cause, '', depth + 1),
    errors: errors.slice(0, MOST_ERRORS).map((each: unknown) => failureOf(each, '', depth + 1)),
  };
}

/** A failure that is no error of a program's line. */
export function plainFailure(headline: string): Failure {
  return { headline, place: undefined, code: [], frames: [], cause: undefined, errors: [] };
}

/** A path as a developer in this folder would write it. */
export function shortPath(file: string): string {
  const short = relative(process.cwd(), file);
  return short === '' || short.startsWith(`..${sep}..${sep}`) ? file : short;
}

export function shownPlace({ file, line, column }: Place): string {
  return [shortPath(file), line, column].filter((part) => part !== undefined).join(':');
}

function textAt(error: Error, name: 'stack' | 'message'): string {
  try {
    return String(error[name] ?? '');
  } catch {
    return '';
  }
}

function headlineOf(error: Error, message: string): string {
  const { name, code } = error as NodeJS.ErrnoException;
  const isKnown = typeof code !== 'string' || message.includes(code) || name.includes(code);
  const title = isKnown ? name : `${name} [${code}]`;
  return message === '' ? title : `${title}: ${message}`;
}

interface Frame {
  readonly text: string;
  readonly place: Place;
}

/** The frames of the program, from a stack as V8 writes it. */
function framesIn(stack: string): Frame[] {
  const frames: Frame[] = [];
  for (const [, name, target, line, column] of stack.matchAll(
    /^ {4}at (?:(.*) \()?((?:file:\/\/)?\/[^\n]*?):(\d+):(\d+)\)?$/gm,
  )) {
    const file = fileOf(target as string);
    if (file === undefined || file.startsWith(OWN)) {
      continue;
    }
    const place = { file, line: Number(line), column: Number(column) };
    const shown = shownPlace(place);
    const isNamed = name !== undefined && name !== '<anonymous>';
    frames.push({ text: isNamed ? `${name} (${shown})` : shown, place });
  }
  return frames;
}

function placeOf(frame: Frame | undefined): Place | undefined {
  return frame?.place;
}

function isOfPackage({ file }: Place): boolean {
  return file.includes(`${sep}node_modules${sep}`);
}

function fileOf(target: string): string | undefined {
  if (!target.startsWith('file:')) {
    return target;
  }
  try {
    return pathOf(target.replace(/[?#].*$/, ''));
  } catch {
    return undefined;
  }
}

/**
 * The place that Node prints above an error: file and line, then lines of the source, one of them
 * underlined.
 */
function placeAbove(text: string): Place | undefined {
  const found = /^((?:file:\/\/)?\/.*):(\d+)\n([\s\S]*?)^\w*Error\b/m.exec(text);
  const file = found === null || found.index !== 0 ? undefined : fileOf(found[1] as string);
  if (found === null || file === undefined) {
    return undefined;
  }
  const underlined = /^([ \t]*)\^+[ \t]*$/m.exec(found[3] as string);
  const column = underlined === null ? undefined : (underlined[1] as string).length + 1;
  return { file, line: Number(found[2]), column };
}

/** Where a file imports what does not exist. Node tells only the file. */
function placeOfImport(message: string): Place | undefined {
  const found = /^Cannot find (?:module|package) '(.*?)' imported from (\/.*)$/m.exec(message);
  if (found === null) {
    return undefined;
  }
  const [, target = '', file = ''] = found;
  const name = target.slice(target.lastIndexOf('/') + 1);
  const lines = linesOf(file);
  const quoted = new RegExp(`(['"\`])(?:[^'"\`\\n]*/)?${escaped(name)}(?:/[^'"\`\\n]*)?\\1`);
  const at = lines.findIndex((line) => quoted.test(line));
  if (at < 0) {
    return undefined;
  }
  return { file, line: at + 1, column: (lines[at] as string).search(quoted) + 1 };
}

/** Where JSON is wrong, as far as Node tells. */
function placeInJson(message: string): Place | undefined {
  const found = /^(\/.*\.json): .*?(?:\(line (\d+) column (\d+)\)|is not valid JSON|in JSON)/m.exec(
    message,
  );
  if (found === null) {
    return undefined;
  }
  const [, file = '', line, column] = found;
  return {
    file,
    line: Number(line ?? 1),
    column: column === undefined ? undefined : Number(column),
  };
}

/** Where a compiler such as esbuild has stopped, which counts columns from 0. */
function placeOfCompiler(message: string): Place | undefined {
  const found = /^(\/[^\n]*?):(\d+):(\d+): (?:ERROR|error): /m.exec(message);
  if (found === null) {
    return undefined;
  }
  const [, file = '', line, column] = found;
  return { file, line: Number(line), column: Number(column) + 1 };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The lines around a place, as they are now; none if they cannot be read. */
function codeAt({ file, line }: Place): CodeLine[] {
  const lines = linesOf(file);
  if (line > lines.length) {
    return [];
  }
  const first = Math.max(line - AROUND, 1);
  return lines.slice(first - 1, line + AROUND).map((text, at) => ({
    number: first + at,
    text: text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text,
    isHere: first + at === line,
  }));
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .replace(/\r?\n$/, '')
      .split(/\r?\n/);
  } catch {
    return [];
  }
}
