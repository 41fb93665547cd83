import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ReadableStream } from 'node:stream/web';

/** Bytes of a file, from `start` to before `end`, which may be `Infinity`. */
interface Part {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** What a stream reads at once, in bytes. */
const CHUNK = 64 * 1024;

/** Opens a file to read. What is no file is refused: a FIFO would never end. */
async function openFile(path: string): Promise<FileHandle> {
  // Without O_NONBLOCK the open of a FIFO waits for a writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const found = await handle.stat();
  if (!found.isFile()) {
    await handle.close();
    throw new TypeError(`${JSON.stringify(path)} is not a file`);
  }
  return handle;
}

/** The bytes of a part, as far as the file has them. */
export async function readPart({ path, start, end }: Part): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await openFile(path);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
      if (bytesRead === 0) {
        return bytes.slice(0, at);
      }
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

/** The same as a stream. The file is opened at the first read. */
export function streamOfPart({ path, start, end }: Part): ReadableStream<Uint8Array> {
  let handle: FileHandle | null = null;
  let at = start;
  const close = async () => {
    const open = handle;
    handle = null;
    await open?.close();
  };
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      try {
        handle ??= await openFile(path);
        const chunk = new Uint8Array(Math.min(CHUNK, Math.max(0, end - at)));
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
        if (bytesRead > 0) {
          at += bytesRead;
          controller.enqueue(chunk.subarray(0, bytesRead));
          return;
        }
        await close();
        controller.close();
        controller.byobRequest?.respond(0);
      } catch (error) {
        // Also if the stream was cancelled meanwhile.
        await close();
        throw error;
      }
    },
    cancel: close,
  });
}
