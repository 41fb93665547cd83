import { ReadableStream, type ReadableWritablePair, TextDecoderStream } from 'node:stream/web';
import { type Body, refuseUnusable } from './body.js';
import { GenuineResponse } from './genuine.js';
import { boundaryOf, parseForm } from './multipart.js';

/** The methods by which a program reads a body (Fetch standard, "Body mixin"). */
export interface BodyMethods {
  text(): Promise<string>;
  json(): Promise<unknown>;
  /** Node itself has it from version 26 on. */
  textStream(): ReadableStream<string>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  formData(): Promise<FormData>;
}

/** A request or a response. */
interface Message {
  readonly headers: { get(name: string): string | null };
}

/**
 * Gives a class the methods, on its own prototype as the standard has them.
 * @param bodyOf returns the body of an instance, or `null`; throws a TypeError for any other value,
 * and so does each method
 */
export function addBodyMethods<T extends Message>(
  prototype: T,
  bodyOf: (message: T) => Body | null,
): void {
  const methods: BodyMethods & ThisType<T> = {
    text() {
      const body = bodyOf(this);
      return settled(() => body?.takeText() ?? '');
    },

    json() {
      const body = bodyOf(this);
      return settled(() => {
        const text = body?.takeText() ?? '';
        return typeof text === 'string' ? JSON.parse(text) : text.then(JSON.parse);
      });
    },

    textStream() {
      const body = bodyOf(this);
      if (body === null) {
        return new ReadableStream({ start: (controller) => controller.close() });
      }
      refuseUnusable(body.isUsed, body.stream);
      return body.stream.pipeThrough(new TextDecoderStream() as TextDecoding);
    },

    bytes() {
      return bytesOf(bodyOf(this));
    },

    arrayBuffer() {
      return bytesOf(bodyOf(this)).then(({ buffer }) => buffer);
    },

    blob() {
      return blobOf(bodyOf(this), typeOf(this));
    },

    formData() {
      return formOf(bodyOf(this), typeOf(this));
    },
  };
  for (const [name, method] of Object.entries(methods)) {
    Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true });
  }
}

function typeOf({ headers }: Message): string | null {
  return headers.get('content-type');
}

function bytesOf(body: Body | null): Promise<Uint8Array<ArrayBuffer>> {
  return settled(() => body?.takeBytes() ?? new Uint8Array());
}

async function blobOf(body: Body | null, type: string | null): Promise<Blob> {
  return genuine(await bytesOf(body), type).blob();
}

async function formOf(body: Body | null, type: string | null): Promise<FormData> {
  const boundary = boundaryOf(type);
  return boundary === null
    ? genuine(await bytesOf(body), type).formData()
    : parseForm(body?.takePieces() ?? [], boundary);
}

/** Node's types allow buffers of every kind here, and so no stream of bytes. */
type TextDecoding = ReadableWritablePair<string, Uint8Array>;

/** Errors of the body reject the promise; they are not thrown at the caller. */
function settled<T>(take: () => T | Promise<T>): Promise<T> {
  try {
    return Promise.resolve(take());
  } catch (error) {
    return Promise.reject(error);
  }
}

function genuine(bytes: Uint8Array<ArrayBuffer>, type: string | null): Response {
  return new GenuineResponse(bytes, type === null ? {} : { headers: { 'content-type': type } });
}
