import { Buffer, File } from 'node:buffer';
import { MIMEType, TextDecoder, types } from 'node:util';
import { packageRoot, requireThere } from '../binding/place.js';
import { GenuineFormData } from './genuine.js';

/** The bytes of a body, in the pieces that they came in. */
export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** RFC 2046 §5.1.1 allows 70; the parser throws for more than 256, with the dashes and the line end. */
const LONGEST_BOUNDARY = 200;

/** Of one form. A part costs far more to take apart than to send. */
const MOST_PARTS = 4096;

/** Bytes of one part's header. */
const MOST_HEADER = 16 * 1024;

/** Fields of one part's header. */
const MOST_HEADER_FIELDS = 32;

/** The fields of a part's header by lower-case name; each character is a byte. */
type PartHeader = Readonly<Record<string, readonly string[] | undefined>>;

/** One part of a form. */
interface Part {
  disposition: Disposition | null;
  type: string | null;
  encoding: string;
  readonly chunks: Uint8Array[];
}

interface Disposition {
  readonly name: string;
  /** A part with one is a file. */
  readonly filename: string | null;
}

/** What this needs of the parser's streams. */
interface PartStream {
  on(event: 'header', listener: (header: PartHeader) => void): this;
  on(event: 'data', listener: (chunk: Uint8Array) => void): this;
  on(event: 'error', listener: () => void): this;
}

/**
 * The boundary that a `content-type` names for its form; `null` where it is not that
 * of a form in parts.
 * @throws {TypeError} where it names none
 */
export function boundaryOf(contentType: string | null): string | null {
  const type = mimeTypeOf(contentType);
  if (type?.essence !== 'multipart/form-data') {
    return null;
  }
  const boundary = type.params.get('boundary');
  if (!boundary) {
    throw malformed('its content-type names no boundary');
  }
  return boundary;
}

type Parser = Pick<typeof import('@fastify/busboy'), 'Dicer'>;

/**
 * Few programs take forms, and only they shall load this. In a bundle that is an ES module and
 * has no `require` the bundled one fails; then it is the installed one.
 */
async function loadParser(): Promise<Parser> {
  try {
    const parser = (await import('@fastify/busboy')) as unknown as Parser & { default?: Parser };
    // A bundle in chunks may have what CommonJS exports only as the default.
    return parser.Dicer === undefined ? (parser.default as Parser) : parser;
  } catch {
    return requireThere(packageRoot())('@fastify/busboy');
  }
}

/**
 * A form in parts, as RFC 7578 has it and RFC 2046 below it. What browsers write
 * otherwise is read as they mean it (HTML standard, "multipart form data").
 *
 * Node's own parser takes only what browsers write, up to Node 22.
 *
 * @throws {TypeError} for what is no form, does not end, or has more than 4096 parts
 */
export async function parseForm(pieces: Pieces, boundary: string): Promise<FormData> {
  const { Dicer } = await loadParser();
  if (boundary.length > LONGEST_BOUNDARY) {
    throw malformed(`its boundary is longer than ${LONGEST_BOUNDARY} characters`);
  }
  const parts: Part[] = [];
  const config = {
    boundary,
    maxHeaderPairs: MOST_HEADER_FIELDS,
    maxHeaderSize: MOST_HEADER,
    // All is kept anyway. A part that is full stops the parser, which may then not go on.
    partHwm: Number.MAX_SAFE_INTEGER,
  };
  const parser = new Dicer(config);
  skipPadding(parser as PaddingTaker);
  let problem: unknown = null;
  const finished = new Promise<void>((resolve) => {
    parser.on('finish', resolve);
    parser.on('error', (cause: Error) => {
      problem ??= malformed(cause);
      resolve();
    });
  });
  parser.on('part', (stream) => {
    const part: Part = { disposition: null, type: null, encoding: '', chunks: [] };
    parts.push(part);
    if (parts.length > MOST_PARTS) {
      problem ??= malformed(`it has more than ${MOST_PARTS} parts`);
    }
    (stream as PartStream)
      .on('header', (header) => {
        try {
          readHeader(part, header);
        } catch (error) {
          problem ??= error;
        }
      })
      .on('data', (chunk) => part.chunks.push(chunk))
      // The parser has the same error.
      .on('error', () => {});
  });
  for await (const piece of pieces) {
    if (!types.isUint8Array(piece)) {
      throw new TypeError('Received non-Uint8Array chunk');
    }
    await new Promise<void>((resolve) => {
      parser.write(piece, () => resolve());
    });
    if (problem !== null) {
      throw problem;
    }
  }
  parser.end();
  await finished;
  if (problem !== null) {
    throw problem;
  }
  return formOf(parts);
}

/**
 * Blanks behind a boundary are no part of the header (RFC 2046 §5.1.1), for which the
 * parser takes them. If a later version of it has no such property, it knows better.
 */
function skipPadding({ _hparser: header }: PaddingTaker): void {
  if (header === undefined) {
    return;
  }
  const { push } = header;
  header.push = (data) => {
    let padding = 0;
    // The first that it keeps is the line end behind the boundary.
    while (header.buffer === '' && (data[padding] === 0x20 || data[padding] === 0x09)) {
      padding++;
    }
    const used = push.call(header, data.subarray(padding));
    return used === undefined ? undefined : used + padding;
  };
}

/** What a parser has of its own. */
interface PaddingTaker {
  readonly _hparser?: PartHeaderParser;
}

/** Of that, what takes a part's header. */
interface PartHeaderParser {
  readonly buffer: string;
  /** Returns how many bytes were the header's, once it is complete. */
  push(data: Uint8Array): number | undefined;
}

function formOf(parts: readonly Part[]): FormData {
  const form = new GenuineFormData();
  const charset = defaultCharset(parts);
  for (const { disposition, type, encoding, chunks } of parts) {
    if (disposition === null) {
      throw malformed('a part has no header');
    }
    const { name, filename } = disposition;
    const content = encoding === 'base64' ? [fromBase64(chunks)] : chunks;
    if (filename === null) {
      const label = mimeTypeOf(type)?.params.get('charset') ?? charset;
      form.append(name, decoderFor(label).decode(Buffer.concat(content)));
    } else {
      form.append(name, new File(content, filename, { type: type ?? 'text/plain' }) as never);
    }
  }
  return form;
}

function readHeader(part: Part, header: PartHeader): void {
  part.disposition = dispositionOf(header['content-disposition']?.[0] ?? '');
  part.type = header['content-type']?.[0]?.trim() ?? null;
  part.encoding = header['content-transfer-encoding']?.[0]?.trim().toLowerCase() ?? '';
}

/** RFC 9110 §5.6.6, with the blanks that RFC 5322 allows, and RFC 8187 for `filename*`. */
function dispositionOf(text: string): Disposition {
  const [kind = ''] = /^[^;]*/.exec(text) ?? [];
  if (kind.trim().toLowerCase() !== 'form-data') {
    throw malformed('a part is not called form-data');
  }
  const parameters = new Map<string, string>();
  let at = kind.length;
  while (at < text.length) {
    const match = firstAt(PARAMETERS, text, at);
    if (match === null) {
      throw malformed('a part has a content-disposition that cannot be read');
    }
    const [whole, name = '', value = ''] = match;
    if (name !== '' && !parameters.has(name.toLowerCase())) {
      parameters.set(name.toLowerCase(), value);
    }
    at += whole.length;
  }
  const name = parameters.get('name');
  if (name === undefined) {
    throw malformed('a part has no name');
  }
  const filename = parameters.get('filename');
  return {
    name: unescaped(name),
    filename:
      extended(parameters.get('filename*')) ??
      (filename === undefined ? null : unescaped(filename)),
  };
}

/**
 * The ways to write a parameter, with what is before it. A string whose quotes are
 * escaped comes first; browsers escape with percent signs, and leave a backslash at
 * its end as it is. Then what is no string, and what is nothing.
 */
const PARAMETERS = [
  /\s*;\s*([^\s;="]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?=;|$)/sy,
  /\s*;\s*([^\s;="]+)\s*=\s*"([^"]*)"\s*(?=;|$)/sy,
  /\s*;\s*([^\s;="]+)\s*=\s*([^\s;"]*)\s*(?=;|$)/sy,
  /\s*;\s*(?=;|$)/sy,
];

function firstAt(patterns: readonly RegExp[], text: string, at: number): RegExpExecArray | null {
  for (const pattern of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) {
      return match;
    }
  }
  return null;
}

/** What browsers and others have done to a name for the quotes around it. */
function unescaped(latin1: string): string {
  return Buffer.from(latin1, 'latin1')
    .toString()
    .replaceAll('\\"', '"')
    .replaceAll(/%0a/gi, '\n')
    .replaceAll(/%0d/gi, '\r')
    .replaceAll('%22', '"');
}

/** RFC 8187 §3.2; `null` for what is none. */
function extended(value: string | undefined): string | null {
  const match = /^(utf-8|iso-8859-1)'[^']*'((?:[^%]|%[\da-f]{2})*)$/i.exec(value ?? '');
  if (match === null) {
    return null;
  }
  const [, charset = '', escaped = ''] = match;
  const latin1 = escaped.replaceAll(/%(..)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return charset.toLowerCase() === 'utf-8' ? Buffer.from(latin1, 'latin1').toString() : latin1;
}

/** RFC 7578 §4.6: a field of this name says what the others are written in. */
function defaultCharset(parts: readonly Part[]): string {
  const part = parts.find(({ disposition }) => disposition?.name === '_charset_');
  return part === undefined ? 'utf-8' : Buffer.concat(part.chunks).toString('latin1');
}

/** A mark at the beginning stays (Fetch standard, "package data": decoded without a mark). */
function decoderFor(label: string): TextDecoder {
  try {
    return new TextDecoder(label.trim(), { ignoreBOM: true });
  } catch {
    return new TextDecoder('utf-8', { ignoreBOM: true });
  }
}

function fromBase64(chunks: readonly Uint8Array[]): Uint8Array {
  return Buffer.from(Buffer.concat(chunks).toString('latin1'), 'base64');
}

function mimeTypeOf(text: string | null): MIMEType | null {
  try {
    return text === null ? null : new MIMEType(text);
  } catch {
    return null;
  }
}

/** The message is Node's, which frameworks show; why is its cause. */
function malformed(why: string | Error): TypeError {
  const cause = typeof why === 'string' ? new Error(`the form cannot be read: ${why}`) : why;
  return new TypeError('Failed to parse body as FormData.', { cause });
}
