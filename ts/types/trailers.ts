/** What `new Headers()` takes. */
type Fields = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/**
 * Trailers: fields behind a body (RFC 9110 §6.5). They are read when the body has ended, and so may
 * tell what is known only then, as a checksum or the status of a gRPC call. A function is called then,
 * and a promise is waited for. If it rejects, the response is broken off, so that no client takes it
 * for complete, and {@link ServeOptions.error} is given the reason.
 *
 * Over HTTP/1.1 only clients that have sent `TE: trailers` get them, over HTTP/1.0 none.
 */
export type Trailers = Fields | Promise<Fields> | (() => Fields | Promise<Fields>);

/** The global `Response` as reactor-rs exports it: its init takes trailers. */
export type ResponseClass = typeof globalThis.Response &
  (new (
    body?: ConstructorParameters<typeof globalThis.Response>[0],
    init?: NonNullable<ConstructorParameters<typeof globalThis.Response>[1]> & {
      trailers?: Trailers | undefined;
    },
  ) => globalThis.Response);

declare global {
  // That of `lib.dom.d.ts`. Node's own types have another, which cannot be added to.
  interface ResponseInit {
    /**
     * Fields behind the body, an extension of reactor-rs. Fields that frame, route or authenticate
     * a message, or tell how to read its body, are refused: `content-length`, `host`, `set-cookie` …
     *
     * @example
     * new Response(body, { headers: { trailer: 'digest' }, trailers: () => ({ digest: digest() }) })
     */
    trailers?: Trailers | undefined;
  }
}
