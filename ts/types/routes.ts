import type { FileRoute, FolderRoute } from './files.js';
import type { Handler } from './handler.js';

/**
 * Responses, files and handlers by path pattern: `/`, `/users/:id`, `/assets/*`. A
 * static path wins over a parameter, a parameter over a wildcard. `'*'` is `'/*'`.
 */
export type Routes<Path extends string = string> = { readonly [P in Path]: Route<P> };

/**
 * What a path answers: a response or files for GET and HEAD, a handler for every method, or one of
 * them by method. A method that a path does not have goes to `fetch`; without `fetch` it is answered with
 * 405 and `Allow`. `false` goes to `fetch`, past a wildcard that would match.
 *
 * A `Response` or a `Blob` is read once, before the server listens, and answered from memory; its
 * body must end. A `file()` is not read, but served as {@link FileRoute}.
 *
 * Responses and files are answered without JavaScript, so they are as fast while a handler is busy.
 */
export type Route<Path extends string = string> = StaticAnswer | Handler<Path> | MethodRoutes<Path>;

/** An answer without JavaScript; `false` goes to `fetch`. */
export type StaticAnswer =
  | StaticResponse
  | FolderRoute
  | FileRoute
  | string
  | Uint8Array
  | Response
  | Blob
  | false;

/**
 * Responses and handlers by method, in upper case as HTTP has them:
 * `{ GET: …, POST: … }`. HEAD is answered from GET.
 *
 * `compress: false` leaves their answers alone where the server has {@link ServeOptions.compress}.
 */
export type MethodRoutes<Path extends string = string> = Readonly<
  Record<Uppercase<string>, StaticAnswer | Handler<Path>>
> & { readonly compress?: boolean | undefined };

/** A response that is rendered once and answered on the I/O thread, without JavaScript. */
export interface StaticResponse {
  /**
   * Status code, 200 to 599.
   * @default 200
   */
  readonly status?: number | undefined;

  /**
   * Reason phrase: tabs, blanks and visible characters to U+00FF. Empty is the one that
   * goes with the status.
   * @default ''
   */
  readonly statusText?: string | undefined;

  /**
   * Header fields; an array makes one field per element. Without a `content-type`, a string body is
   * sent as `text/plain;charset=utf-8` and bytes as `application/octet-stream`. The server itself
   * sends `connection`, `content-length`, `date`, `keep-alive` and `transfer-encoding`. Here they
   * are refused with `ERR_REACTOR_INVALID_ROUTE`.
   */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;

  /**
   * Body; a string is sent as UTF-8. Not allowed with 204, 205 and 304.
   * @default ''
   */
  readonly body?: string | Uint8Array | undefined;

  /**
   * `false` leaves it alone where the server has {@link ServeOptions.compress}.
   * @default true
   */
  readonly compress?: boolean | undefined;
}
