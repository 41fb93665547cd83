/** How many sets of fields are kept, and how long the text of one may be. */
const KEPT = 32;
const MOST_TEXT = 2048;

interface Entry {
  readonly text: string;
  readonly fields: readonly string[];
}

/**
 * The fields of recent requests, by their text. A client sends the same fields again and again; to
 * compare their text costs less than to cut it.
 */
export class RecentFields {
  readonly #entries: (Entry | undefined)[] = new Array(KEPT).fill(undefined);

  /** A copy of what {@link keep} got for the same text. */
  find(text: string): string[] | undefined {
    const entry = this.#entries[text.length % KEPT];
    return entry !== undefined && entry.text === text ? entry.fields.slice() : undefined;
  }

  keep(text: string, fields: readonly string[]): void {
    if (text.length <= MOST_TEXT) {
      this.#entries[text.length % KEPT] = { text, fields: fields.slice() };
    }
  }
}
