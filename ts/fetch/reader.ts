/** The part of a stream's reader that is needed here. */
export interface Reader {
  read(): PromiseLike<ChunkResult> | ChunkResult;
  cancel(reason: unknown): unknown;
}

/** What a reader reads. */
export type ChunkResult = { readonly done?: boolean | undefined; readonly value?: unknown };
