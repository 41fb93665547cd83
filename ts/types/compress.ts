/** A content coding that the engine writes. */
export type ContentCoding = 'br' | 'zstd' | 'gzip';

/**
 * Which answers are compressed, and how. An answer must have a media type that shrinks: text, JSON,
 * JavaScript, XML, SVG, WebAssembly and the like.
 *
 * Left alone are answers with `Content-Encoding`, `Content-Range`, a digest of the body, or
 * `Cache-Control: no-transform`, and answers with status 204, 206 or 304.
 */
export interface CompressOptions {
  /**
   * Shorter bodies are left alone, in bytes, 0 to 1073741824. A body of unknown length counts as
   * long.
   * @default 1024
   */
  threshold?: number | undefined;

  /**
   * The codings that may be used. A client that likes several as much gets the first of `br`,
   * `zstd` and `gzip`. None of them is as `compress: false`. One that Node does not have is passed
   * over: before 22.15 that is `zstd`.
   * @default 'br', 'zstd', 'gzip'
   */
  codings?: readonly ContentCoding[] | undefined;

  /** Further media types to compress, such as `application/x-protobuf`. By default none. */
  types?: readonly string[] | undefined;

  /**
   * Compresses also answers that set cookies or say `Cache-Control: private`. If such an answer
   * holds a secret and something that a stranger can choose, its length tells of the secret (the
   * BREACH attack).
   * @default false
   */
  private?: boolean | undefined;

  /**
   * Adds up to so many random bytes that decoders pass over, 0 to 256. They hide the exact length
   * of an answer, which makes BREACH slower but does not end it.
   * @default 0
   */
  padding?: number | undefined;

  /**
   * How much time a byte may take. `'dense'` takes about three times as long in brotli and zstd,
   * for up to a tenth less. Gzip and streams are the same with both.
   * @default 'fast'
   */
  effort?: 'fast' | 'dense' | undefined;
}
