import { type InspectOptions, inspect } from 'node:util';
import type { Trailers } from '../types/trailers.js';
import {
  type Body,
  type Content,
  extract,
  StoredBody,
  type StreamedBody,
  spentBody,
} from './body.js';
import { addBodyMethods, type BodyMethods } from './body-methods.js';
import { noteIfFetched } from './fetched.js';
import { GenuineResponse, isInstance, standIn } from './genuine.js';
import { copyWithGuard, fieldsToSend, makeImmutable, ReactorHeaders } from './headers.js';
import { JSON_TEXT, TEXT } from './implied-type.js';
import { givenTrailers } from './trailers.js';

/** The init of a response. */
export interface ResponseInit {
  status?: number | undefined;
  statusText?: string | undefined;
  headers?: ConstructorParameters<typeof ReactorHeaders>[0];
  trailers?: Trailers | null | undefined;
}

/** The body argument of a response. */
export type ResponseBody = ConstructorParameters<typeof GenuineResponse>[0];

const REDIRECTS = [301, 302, 303, 307, 308];

const TEXT_TYPE = 'text/plain;charset=UTF-8';

/** The implied types, by the flag that makes the engine send them. */
const TYPES: Readonly<Record<number, string>> = {
  [TEXT]: TEXT_TYPE,
  [JSON_TEXT]: 'application/json',
};

let isReactorResponse: (value: object) => value is ReactorResponse;
/** The fields to send with the content from {@link takeContent}; `null` for none. */
let responseFields: (response: ReactorResponse, content: Content) => string[] | null;
/** The flag of the implied type, which {@link responseFields} leaves out; 0 if there is none. */
let impliedType: (response: ReactorResponse) => number;
/**
 * The content to send. The body counts as read from then on.
 * @throws {TypeError} if it has been read before.
 */
let takeContent: (response: ReactorResponse) => Content;
/**
 * The body if it is text that has not been looked at, or empty if there is none. It stays unread.
 */
let storedText: (response: ReactorResponse) => string | undefined;

/** The trailers, as they were given; `null` if there are none. */
let responseTrailers: (response: ReactorResponse) => Trailers | null;

export {
  impliedType,
  isReactorResponse,
  responseFields,
  responseTrailers,
  storedText,
  takeContent,
};

/** The methods that {@link addBodyMethods} gives the class. */
export interface ReactorResponse extends BodyMethods {}

/**
 * The standard's `Response`, made for sending: its parts stay as they were given until the program
 * looks at them. Node's own takes microseconds to make, several times what the rest of a small
 * request costs.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the class gives itself the methods
export class ReactorResponse {
  #status = 200;
  /** A string stays a string until a body's methods are needed. */
  #body: string | StoredBody | StreamedBody | null = null;
  #headers: ReactorHeaders | null = null;
  /** The flag of the body's type, if it is one of {@link TYPES} and the headers do not have it. */
  #implied = 0;
  #statusText = '';
  #type: 'default' | 'error' = 'default';
  #trailers: Trailers | null = null;

  static {
    isReactorResponse = (value): value is ReactorResponse => #status in value;
    responseFields = (response, content) => {
      const fields = response.#headers && fieldsToSend(response.#headers, content);
      const phrase = response.#statusText;
      return phrase === '' ? fields : ['', phrase, ...(fields ?? [])];
    };
    impliedType = (response) => response.#implied;
    responseTrailers = (response) => response.#trailers;
    takeContent = (response) => {
      const body = response.#body;
      if (typeof body === 'string') {
        response.#body = SPENT;
        return body;
      }
      return body === null ? null : body.take();
    };
    storedText = (response) => {
      const body = response.#body ?? '';
      return typeof body === 'string' ? body : undefined;
    };
    addBodyMethods(ReactorResponse.prototype, (response) => response.#wholeBody());
    standIn(ReactorResponse, GenuineResponse);
  }

  constructor(body: ResponseBody = null, init: ResponseInit | undefined = undefined) {
    if (typeof body === 'string') {
      this.#body = body;
      this.#implied = TEXT;
      if (init !== undefined && init !== null) {
        this.#begin(init, null);
      }
    } else if (body === null || body === undefined) {
      if (init !== undefined && init !== null) {
        this.#begin(init, null);
      }
    } else {
      const [stored, type] = extract(body);
      this.#body = stored;
      this.#implied = type === TEXT_TYPE ? TEXT : 0;
      this.#begin(init ?? {}, this.#implied === 0 ? type : null);
    }
  }

  static json(data: unknown, init: ResponseInit | undefined = undefined): ReactorResponse {
    const text = JSON.stringify(data);
    if (text === undefined) {
      throw new TypeError('Response.json: the value has no JSON form');
    }
    const response = new ReactorResponse(text, init);
    if (response.#implied === TEXT) {
      response.#implied = JSON_TEXT;
    }
    return response;
  }

  static redirect(url: string | URL, status = 302): ReactorResponse {
    const location = locationOf(url);
    const code = toShort(status);
    if (!REDIRECTS.includes(code)) {
      throw new RangeError(`Response.redirect: ${code} is not the status of a redirect`);
    }
    const response = new ReactorResponse(null, { status: code, headers: { location } });
    makeImmutable(response.headers);
    return response;
  }

  static error(): ReactorResponse {
    const response = new ReactorResponse();
    response.#type = 'error';
    response.#status = 0;
    makeImmutable(response.headers);
    return response;
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass asks for itself
    return isInstance(value, this, ReactorResponse, GenuineResponse);
  }

  get type(): 'default' | 'error' {
    return this.#type;
  }

  get url(): string {
    return '';
  }

  get redirected(): boolean {
    return false;
  }

  get status(): number {
    return this.#status;
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }

  get statusText(): string {
    return this.#statusText;
  }

  get headers(): ReactorHeaders {
    if (this.#headers === null) {
      this.#headers = new ReactorHeaders();
    }
    if (this.#implied !== 0) {
      this.#headers.append('content-type', TYPES[this.#implied] as string);
      this.#implied = 0;
    }
    return this.#headers;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#wholeBody()?.stream ?? null;
  }

  get bodyUsed(): boolean {
    const body = this.#body;
    return typeof body === 'string' ? false : (body?.isUsed ?? false);
  }

  clone(): ReactorResponse {
    const body = this.#body;
    const clone = new ReactorResponse();
    clone.#body = typeof body === 'string' ? body : (body?.clone() ?? null);
    clone.#status = this.#status;
    clone.#statusText = this.#statusText;
    clone.#implied = this.#implied;
    clone.#type = this.#type;
    clone.#trailers = this.#trailers;
    if (this.#headers !== null) {
      clone.#headers = copyWithGuard(this.#headers);
    }
    return clone;
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { status, statusText, headers, body, bodyUsed, ok, redirected, type, url } = this;
    const shown = { status, statusText, headers, body, bodyUsed, ok, redirected, type, url };
    return `Response ${inspect(shown, options)}`;
  }

  /** @param type the `content-type` of the body, unless it is an implied one */
  #begin(init: ResponseInit, type: string | null): void {
    if (typeof init !== 'object' && typeof init !== 'function') {
      throw new TypeError('Response: the second argument must be an object');
    }
    // Read in the order of a Web IDL dictionary.
    const { headers, status, statusText } = init;
    // A response that is made of another has the other's.
    const trailers = #trailers in init ? init.#trailers : init.trailers;
    if (headers !== undefined) {
      noteIfFetched(init, headers);
      this.#headers = new ReactorHeaders(headers);
    }
    if (status !== undefined) {
      this.#status = toShort(status);
      if (this.#status < 200 || this.#status > 599) {
        throw new RangeError(`Response: the status must be 200 to 599, got ${status}`);
      }
    }
    if (statusText !== undefined) {
      this.#statusText = reasonPhrase(statusText);
    }
    if (trailers !== undefined && trailers !== null) {
      this.#trailers = givenTrailers(trailers);
    }
    if (this.#body === null) {
      return;
    }
    if (this.#status === 204 || this.#status === 205 || this.#status === 304) {
      throw new TypeError(`Response: a response with status ${this.#status} cannot have a body`);
    }
    if (this.#headers?.has('content-type')) {
      this.#implied = 0;
    } else if (type !== null) {
      this.headers.append('content-type', type);
    }
  }

  #wholeBody(): Body | null {
    if (typeof this.#body === 'string') {
      this.#body = new StoredBody(this.#body);
    }
    return this.#body;
  }
}

/** The body of every sent response whose body was a string. */
const SPENT = spentBody();

/**
 * An absolute URL, normalized, or a relative reference. The client resolves the latter against the
 * request's URL (RFC 9110 §10.2.2); the server has no URL to do so.
 */
function locationOf(url: string | URL): string {
  const text = `${url}`;
  try {
    return new URL(text).href;
  } catch {
    // As a URL parser does: blanks around it are cut, line ends and tabs removed.
    const reference = text.replace(/^[\0-\x20]+|[\0-\x20]+$|[\t\r\n]+/g, '');
    if (
      url === undefined ||
      url === null ||
      reference === '' ||
      !URL.canParse(reference, 'http://localhost/')
    ) {
      throw new TypeError(`Response.redirect: ${JSON.stringify(text)} is no URL`);
    }
    return reference.replace(/[^\x21-\x7e]+/g, (part) => encodeURI(Buffer.from(part).toString()));
  }
}

/** Web IDL's `unsigned short`. */
function toShort(value: unknown): number {
  const number = Math.trunc(Number(value));
  return Number.isFinite(number) ? ((number % 65_536) + 65_536) % 65_536 : 0;
}

/** The syntax of a reason phrase with `obs-text`, RFC 9112 §4. */
function reasonPhrase(value: unknown): string {
  const text = `${value}`;
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) {
    throw new TypeError(`Response: ${JSON.stringify(text)} is no reason phrase`);
  }
  return text;
}
