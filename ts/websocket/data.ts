import { types } from 'node:util';
import { inspect } from '../errors/inspect.js';
import type { WebSocketBinaryType } from '../types/websocket.js';

/**
 * A message as it is sent: text, or bytes.
 * @throws {TypeError} for anything else
 */
export function messageOf(data: unknown): string | Uint8Array {
  if (typeof data === 'string' || data instanceof Uint8Array) {
    return data;
  }
  const bytes = bytesOf(data);
  if (bytes === undefined) {
    const advice = typeof data === 'object' && data !== null ? '; for JSON use JSON.stringify' : '';
    throw new TypeError(
      `a WebSocket message must be a string or bytes, got ${inspect(data)}${advice}`,
    );
  }
  return bytes;
}

/** @throws {TypeError} if it is no text */
export function textOf(data: unknown): string {
  if (typeof data !== 'string') {
    throw new TypeError(`a text message must be a string, got ${inspect(data)}`);
  }
  return data;
}

/** @throws {TypeError} if it is no bytes */
export function binaryOf(data: unknown): Uint8Array {
  const bytes = bytesOf(data);
  if (bytes === undefined) {
    throw new TypeError(
      `a binary message must be a Buffer, a view of an ArrayBuffer, or one itself, got ${inspect(data)}`,
    );
  }
  return bytes;
}

function bytesOf(data: unknown): Uint8Array | undefined {
  if (data instanceof Uint8Array) {
    return data;
  }
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return types.isAnyArrayBuffer(data) ? new Uint8Array(data) : undefined;
}

export const BINARY_TYPES: readonly WebSocketBinaryType[] = [
  'nodebuffer',
  'arraybuffer',
  'uint8array',
];

/** A received message, which has memory of its own, in the class that the program wants. */
export function asBinaryType(
  data: Buffer<ArrayBuffer>,
  type: WebSocketBinaryType,
): Buffer<ArrayBuffer> {
  if (type === 'nodebuffer') {
    return data;
  }
  const { buffer } = data;
  // Programs that ask for another class say so in their types.
  const other = type === 'arraybuffer' ? buffer : new Uint8Array(buffer);
  return other as unknown as Buffer<ArrayBuffer>;
}
