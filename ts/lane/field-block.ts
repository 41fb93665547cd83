import { clearNotes, type FieldNotes, writeFields } from './fields.js';

/** Fields of fewer bytes are written anew each time, which costs less than to find them here. */
const LEAST_BYTES = 96;
/** And of more bytes are not kept. */
const MOST_BYTES = 4096;

const BLOCKS = 32;

/** Fields that were sent before. */
interface Block {
  readonly fields: readonly string[];
  /** The fields as {@link writeFields} writes them, once they have been sent a second time. */
  bytes: Uint8Array | null;
}

/**
 * The fields of recent responses as bytes. A program sends most of its fields again and again, as
 * the same strings, which takes little time to see.
 */
export class FieldBlocks {
  readonly #blocks: (Block | undefined)[] = new Array(BLOCKS).fill(undefined);

  /**
   * As {@link writeFields}.
   *
   * @param size an upper bound of the bytes that the fields take
   */
  write(
    bytes: Uint8Array,
    start: number,
    fields: readonly string[],
    size: number,
    notes: FieldNotes,
  ): number {
    if (size < LEAST_BYTES || size > MOST_BYTES) {
      return writeFields(bytes, start, fields, notes);
    }
    // Fields that differ mostly differ in number or in length.
    const at = (fields.length + size) % BLOCKS;
    const block = this.#blocks[at];
    if (block === undefined || !areSame(block.fields, fields)) {
      const end = writeFields(bytes, start, fields, notes);
      this.#blocks[at] = { fields: fields.slice(), bytes: null };
      return end;
    }
    if (block.bytes === null) {
      const end = writeFields(bytes, start, fields, notes);
      if (areSent(notes)) {
        // A copy: a Buffer's own `slice` would be a view of memory that is written again.
        block.bytes = new Uint8Array(bytes.subarray(start, end));
      }
      return end;
    }
    clearNotes(notes);
    bytes.set(block.bytes, start);
    return start + block.bytes.length;
  }
}

function areSame(one: readonly string[], other: readonly string[]): boolean {
  const { length } = one;
  if (length !== other.length) {
    return false;
  }
  for (let i = 0; i < length; i++) {
    if (one[i] !== other[i]) {
      return false;
    }
  }
  return true;
}

/** Whether the engine gets the fields as they are, and has nothing to note. */
function areSent({ closes, declared, coding, isReceived }: FieldNotes): boolean {
  return !closes && declared < 0 && coding === '' && !isReceived;
}
