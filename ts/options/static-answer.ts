import type { NativeField, NativeRoute } from '../binding/binding.js';
import { TOKEN } from '../fetch/field.js';
import { bad, isBytes, isPlainObject } from './route-check.js';

/** What a response without JavaScript may have. */
export const RESPONSE_KEYS = ['status', 'statusText', 'headers', 'body'];

/** Fields of framing and connection. Only the server sends them, so that there is one source. */
export const OWN_FIELDS = [
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
];

export type Rendered = Pick<NativeRoute, 'status' | 'phrase' | 'fields' | 'body'>;

/** Checks a response without JavaScript and renders it for the engine. */
export function render(label: string, response: unknown): Rendered {
  if (typeof response === 'string' || isBytes(response)) {
    return render(label, { body: response });
  }
  if (!isPlainObject(response)) {
    throw bad(
      label,
      'must answer with a string, bytes, a Blob, a Response, a function, { status, headers, body }, { dir }, { file } or false',
      response,
    );
  }
  const unknown = Object.keys(response).find((key) => !RESPONSE_KEYS.includes(key));
  if (unknown !== undefined) {
    throw bad(label, 'has a key that is none of status, statusText, headers, body', unknown);
  }
  const { status = 200, statusText = '', body = '' } = response;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) {
    throw bad(label, 'must have a status that is an integer from 200 to 599', status);
  }
  if (typeof statusText !== 'string' || !isPhrase(statusText)) {
    throw bad(
      label,
      'must have a statusText of tabs, blanks and visible characters to U+00FF',
      statusText,
    );
  }
  if (typeof body !== 'string' && !isBytes(body)) {
    throw bad(label, 'must have a body that is a string or bytes', body);
  }
  if (body.length > 0 && (status === 204 || status === 205 || status === 304)) {
    throw bad(label, `cannot have a body with status ${status}`, body);
  }
  const fields = renderFields(label, response.headers);
  if (body.length > 0 && !fields.some((field) => field.name.toLowerCase() === 'content-type')) {
    const type = typeof body === 'string' ? 'text/plain;charset=utf-8' : 'application/octet-stream';
    fields.push({ name: 'content-type', value: Buffer.from(type) });
  }
  return {
    status: status as number,
    phrase: Buffer.from(statusText, 'latin1'),
    fields,
    // A copy, since the caller may go on writing to its bytes.
    body: typeof body === 'string' ? Buffer.from(body) : Uint8Array.from(body),
  };
}

export function renderFields(label: string, headers: unknown): NativeField[] {
  if (headers === undefined) {
    return [];
  }
  if (!isPlainObject(headers)) {
    throw bad(label, 'must have headers that are a plain object of names and values', headers);
  }
  return Object.entries(headers).flatMap(([name, values]) => {
    if (!TOKEN.test(name)) {
      throw bad(label, 'has a header name that is not a token', name);
    }
    if (OWN_FIELDS.includes(name.toLowerCase())) {
      throw bad(label, 'sets a header that only the server may set', name);
    }
    return (Array.isArray(values) ? values : [values]).map((value: unknown) => {
      if (typeof value !== 'string' || !isFieldValue(value)) {
        throw bad(label, `has a bad value for header ${name}`, value);
      }
      return { name, value: Buffer.from(value, 'latin1') };
    });
  });
}

/** The syntax of a reason phrase, RFC 9112 §4. */
function isPhrase(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

/** RFC 9110 §5.5: visible characters, inner blanks and tabs, and the bytes above 0x7F. */
export function isFieldValue(value: string): boolean {
  return /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(value);
}

/** Whether all keys of the object are those of a response. An empty object is an empty 200. */
export function isResponse(value: unknown): boolean {
  return isPlainObject(value) && Object.keys(value).every((key) => RESPONSE_KEYS.includes(key));
}
