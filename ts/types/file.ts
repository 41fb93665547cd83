/** The second argument of `file`. */
export interface FileInit {
  /**
   * The media type, in place of the one that goes with the name. It is the response's
   * `Content-Type`, unless its headers have one.
   */
  readonly type?: string | undefined;
}

/**
 * A file on disk, which is a `Blob` and a `File`. Nothing is read before it is asked for. As the body
 * of a `Response` of this package the engine sends it, without JavaScript.
 */
export interface ReactorFile extends File {
  /** The last part of the path. */
  readonly name: string;
  /** Bytes, looked up at each access; 0 if there is no such file. */
  readonly size: number;
  /** Milliseconds since the epoch, looked up at each access; 0 if there is no such file. */
  readonly lastModified: number;
  /** The media type that was given, or that goes with the name; else `application/octet-stream`. */
  readonly type: string;
  /** Whether there is a file, and not a folder or something else. */
  exists(): Promise<boolean>;
  /** The content as bytes. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** The content, which is JSON. */
  json(): Promise<unknown>;
  /**
   * A part of the file, in bytes, as the standard's `Blob` has it: `end` is the first byte after it, and
   * what is negative counts from the end of the file.
   */
  slice(start?: number, end?: number, type?: string): ReactorFile;
}
