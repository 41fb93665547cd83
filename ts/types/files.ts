/** Header fields by name; an array makes one field per element. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>;

/** How files are sent, one or a whole folder of them. */
export interface ServedFiles {
  /**
   * The `Cache-Control` of each file, such as `'public, max-age=3600'` for an hour; `false` sends none.
   * The default lets a browser keep a file, and ask each time whether it is still the same. The answer
   * is then a 304 without a body.
   * @default 'no-cache'
   */
  readonly cacheControl?: string | false | undefined;

  /**
   * Which pages of other origins may read the files (`Access-Control-Allow-Origin`): `true` is all of
   * them, a text the pages of that origin, such as `'https://example.com'`.
   * @default false
   */
  readonly cors?: boolean | string | undefined;

  /**
   * Whether `app.js.br`, `app.js.zst` or `app.js.gz` is sent in place of `app.js` to clients that take
   * that coding. It counts only where `app.js` is there too and is not newer.
   * @default true
   */
  readonly precompressed?: boolean | undefined;

  /**
   * Whether text and other types that gain by it are compressed by the server, from 1 KiB on. What has
   * been compressed is kept in memory as long as the file stays the same.
   * @default true
   */
  readonly compress?: boolean | undefined;
}

/** The files of a folder, under a pattern that ends in `/*`. No other file can be read through it. */
export interface FolderRoute extends ServedFiles {
  /**
   * The folder: a path relative to the working directory, or a `file:` URL. `new URL('./public',
   * import.meta.url)` is relative to the module. It has to be there when the server starts.
   */
  readonly dir: string | URL;

  /**
   * The file that answers for a folder, or several names of which the first one that is there does;
   * `false` for none.
   * @default 'index.html'
   */
  readonly index?: string | readonly string[] | false | undefined;

  /**
   * For single-page applications: what a browser opens and no file answers gets this file with status
   * 200. `true` is `index.html`. Only navigations get it. A script or an image that is not there is
   * still a 404.
   * @default false
   */
  readonly spa?: boolean | string | undefined;

  /**
   * The file in the folder that is sent with a 404, if it is there; `false` sends a line of text.
   * @default '404.html'
   */
  readonly notFound?: string | false | undefined;

  /**
   * Whether `/about` is answered from `about.html`. Then `/about.html` redirects to `/about`, and
   * `/index.html` to `/`.
   * @default false
   */
  readonly cleanUrls?: boolean | undefined;

  /**
   * Whether `/docs` redirects to `/docs/` where `docs` is a folder. Relative links in its index need
   * that.
   * @default true
   */
  readonly slashRedirect?: boolean | undefined;

  /**
   * Whether files and folders whose names begin with a dot are served. `.well-known` always is.
   * @default false
   */
  readonly dotfiles?: boolean | undefined;

  /**
   * Whether a folder without an index is answered with a page that lists its files, with sizes and
   * dates.
   * @default false
   */
  readonly listing?: boolean | undefined;

  /**
   * Whether a file with a hash in its name, such as `app-BxK3s9aQ.js`, is sent with `Cache-Control:
   * public, max-age=31536000, immutable`. A browser then keeps it for a year and does not ask again.
   * Bundlers name files so.
   * @default false
   */
  readonly immutable?: boolean | undefined;

  /**
   * Further header fields: of all files, and under a pattern those of the files that it matches. In a
   * pattern `*` is any part of a name and `**` any number of folders. A pattern without a slash is
   * for files of that name in every folder.
   *
   * @example
   * headers: {
   *   'x-frame-options': 'DENY',
   *   '*.pdf': { 'content-disposition': 'attachment' },
   *   'fonts/**': { 'access-control-allow-origin': '*' },
   * }
   */
  readonly headers?:
    | Readonly<Record<string, string | readonly string[] | HeaderFields>>
    | undefined;
}

/** One file. */
export interface FileRoute extends ServedFiles {
  /** The file: a path or a `file:` URL, as {@link FolderRoute.dir}. */
  readonly file: string | URL;

  /** Further header fields; `content-type` takes the place of the one that goes with the name. */
  readonly headers?: HeaderFields | undefined;
}
