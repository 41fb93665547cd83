import { types } from 'node:util';

/** What can be sent. */
export type Data =
  | string
  | number
  | Uint8Array
  | ArrayBufferView
  | ArrayBufferLike
  | Blob
  | readonly number[]
  | null
  | undefined;

const EMPTY = Buffer.alloc(0);

/**
 * The bytes of what is sent: those of text as UTF-8, none of `null`.
 * @throws {TypeError} for what has no bytes
 */
export function bytesOf(data: Data): Uint8Array {
  if (types.isUint8Array(data)) {
    return data;
  }
  if (data === null || data === undefined || data === '') {
    return EMPTY;
  }
  if (typeof data === 'number') {
    return Buffer.from(String(data));
  }
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (types.isAnyArrayBuffer(data)) {
    return new Uint8Array(data);
  }
  return Buffer.from(data as string);
}
