import { Buffer, File } from 'node:buffer';
import { MIMEType, TextDecoder, types } from 'node:util';
import { packageRoot, requireThere } from '../binding/place.js';
import { GenuineFormData } from './genuine.js';

/** The bytes of a body, in the pieces in which they arrive. */
export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * RFC 2046 §5.1.1 allows 70 bytes. The parser throws above 256, which includes the dashes and the
 * line end.
 */
const LONGEST_BOUNDARY = 200;

/** The most parts of one form. Parsing a part costs far more than sending one. */
const MOST_PARTS = 4096;

/** The most bytes of one part's header. */
const MOST_HEADER = 16 * 1024;

/** The most fields of one part's header. */
const MOST_HEADER_FIELDS = 32;

/** The fields of a part's header, by lower-case name. Each character stands for a byte. */
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
  /** Set for a file only. */
  readonly filename: string | null;
}

/** The part of the parser's streams that is needed here. */
interface PartStream {
  on(event: 'header', listener: (header: PartHeader) => void): this;
  on(event: 'data', listener: (chunk: Uint8Array) => void): this;
  on(event: 'error', listener: () => void): this;
}

/**
 * The boundary in a `content-type`; `null` if that is no form in parts.
 * @throws {TypeError} if it names no boundary
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
 * Loaded on demand, since few programs read forms. A bundle that is an ES module has no `require`,
 * so the bundled parser fails; then the installed one is used.
 */
async function loadParser(): Promise<Parser> {
  try {
    const parser = (await import('@fastify/busboy')) as unknown as Parser & { default?: Parser };
    // A bundle in chunks may have a CommonJS module's exports only as the default.
    return parser.Dicer === undefined ? (parser.default as Parser) : parser;
  } catch {
    return requireThere(packageRoot())('@fastify/busboy');
  }
}

/**
 * Reads a form in parts, according to RFC 7578 and RFC 2046. Where browsers deviate, it follows the
 * HTML standard, "multipart form data".
 *
 * Node's own parser accepts only the browsers' form, up to Node 22.
 *
 * @throws {TypeError} if it is no form, does not end, or has more than 4096 parts
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
    // Everything is kept in memory anyway. A full part would stop the parser, which might not go
    // on.
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
      // The parser reports the same error.
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
 * Skips blanks after a boundary. They are not part of the header (RFC 2046 §5.1.1), but the parser
 * takes them for it. A later version of the parser may lack the property; then nothing is done.
 */
function skipPadding({ _hparser: header }: PaddingTaker): void {
  if (header === undefined) {
    return;
  }
  const { push } = header;
  header.push = (data) => {
    let padding = 0;
    // The first byte that the parser keeps is the line end after the boundary.
    while (header.buffer === '' && (data[padding] === 0x20 || data[padding] === 0x09)) {
      padding++;
    }
    const used = push.call(header, data.subarray(padding));
    return used === undefined ? undefined : used + padding;
  };
}

/** Internals of the parser. */
interface PaddingTaker {
  readonly _hparser?: PartHeaderParser;
}

/** The part of the parser that reads a part's header. */
interface PartHeaderParser {
  readonly buffer: string;
  /** Returns how many bytes belonged to the header, once it is complete. */
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

/**
 * Reads a `content-disposition`: RFC 9110 §5.6.6 with the blanks that RFC 5322 allows, and RFC 8187
 * for `filename*`.
 */
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
 * The forms of a parameter, each with what precedes it. First a quoted string with escaped quotes.
 * Then the browsers' form: they escape with percent signs, and leave a backslash at the end as it
 * is. Then a token, and an empty value.
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

/** Undoes the escapes that browsers and other clients apply to a name in quotes. */
function unescaped(latin1: string): string {
  return Buffer.from(latin1, 'latin1')
    .toString()
    .replaceAll('\\"', '"')
    .replaceAll(/%0a/gi, '\n')
    .replaceAll(/%0d/gi, '\r')
    .replaceAll('%22', '"');
}

/** Decodes RFC 8187 §3.2; `null` if it is invalid. */
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

/** RFC 7578 §4.6: the field `_charset_` names the charset of the other fields. */
function defaultCharset(parts: readonly Part[]): string {
  const part = parts.find(({ disposition }) => disposition?.name === '_charset_');
  return part === undefined ? 'utf-8' : Buffer.concat(part.chunks).toString('latin1');
}

/**
 * A leading byte order mark is kept (Fetch standard, "package data": decoded without removing it).
 */
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

/** The message is Node's, since frameworks show it. The reason is its cause. */
function malformed(why: string | Error): TypeError {
  const cause = typeof why === 'string' ? new Error(`the form cannot be read: ${why}`) : why;
  return new TypeError('Failed to parse body as FormData.', { cause });
}
