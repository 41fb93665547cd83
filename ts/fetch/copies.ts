/**
 * Memory for copies of bytes that programs give as bodies. To allocate large memory costs several
 * times as much as to fill it, and more again for the garbage collector. So memory that has been
 * sent is used again.
 */

/** Copies of fewer bytes are cheap to allocate. */
const SMALLEST = 16 * 1024;

/** Copies of more bytes are too large to keep. */
const LARGEST = 1024 * 1024;

/** What may be kept, in bytes. */
const MOST_KEPT = 4 * 1024 * 1024;

/** Kept memory is dropped after this many batches of answers without use. */
const KEPT_BATCHES = 1024;

interface Kept {
  /** Copies by the size of their memory, a power of two. The last one is used first. */
  readonly free: Map<number, Uint8Array[]>;
  bytes: number;
  /** Batches since it was last used. */
  unused: number;
}

const kept: Kept = { free: new Map(), bytes: 0, unused: 0 };

/** A copy of these bytes of an ArrayBuffer. */
export function copyOfBytes(buffer: ArrayBuffer, at: number, length: number): Uint8Array {
  const source = new Uint8Array(buffer, at, length);
  if (!isKept(length)) {
    return source.slice();
  }
  const size = sizeFor(length);
  const copy = viewOf(take(size), length, size);
  copy.set(source);
  return copy;
}

/** Memory of this many bytes, a power of two from {@link SMALLEST} on. It may hold old bytes. */
export function memoryOfSize(size: number): Uint8Array<ArrayBuffer> {
  return viewOf(take(size), size, size) as Uint8Array<ArrayBuffer>;
}

/**
 * The bytes of a copy have been sent, and nothing else refers to them.
 *
 * @param copy what {@link copyOfBytes} or {@link memoryOfSize} returned
 */
export function giveBack(copy: Uint8Array): void {
  const { byteLength: size } = copy.buffer;
  if (!isKept(copy.length) || size !== sizeFor(copy.length) || kept.bytes + size > MOST_KEPT) {
    return;
  }
  kept.bytes += size;
  const free = kept.free.get(size);
  if (free === undefined) {
    kept.free.set(size, [copy]);
  } else {
    free.push(copy);
  }
}

/** A batch of answers is over. */
export function ageCopies(): void {
  if (kept.bytes > 0 && ++kept.unused > KEPT_BATCHES) {
    kept.free.clear();
    kept.bytes = 0;
  }
}

function take(size: number): Uint8Array | undefined {
  const copy = kept.free.get(size)?.pop();
  if (copy !== undefined) {
    kept.bytes -= size;
    kept.unused = 0;
  }
  return copy;
}

/** The kept copy itself, if it has the right length: to make a view costs as much as a small copy. */
function viewOf(memory: Uint8Array | undefined, length: number, size: number): Uint8Array {
  if (memory?.length === length) {
    return memory;
  }
  return new Uint8Array(memory?.buffer ?? Buffer.allocUnsafeSlow(size).buffer, 0, length);
}

function isKept(length: number): boolean {
  return length >= SMALLEST && length <= LARGEST;
}

/** The next power of two. */
function sizeFor(length: number): number {
  return 2 ** (32 - Math.clz32(length - 1));
}
