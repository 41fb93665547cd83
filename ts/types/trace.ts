/**
 * A request's place in its trace (W3C Trace Context). It goes on from the client's `traceparent`; if
 * there is none, or it is malformed, a trace begins here.
 */
export interface Trace {
  /** Of the whole trace: 32 hexadecimal digits. */
  readonly traceId: string;

  /** Of this request at this server: 16 hexadecimal digits. */
  readonly spanId: string;

  /** The caller's `spanId`; `null` if the trace begins here. */
  readonly parentId: string | null;

  /** Whether the caller may have recorded the trace; for one that begins here as {@link ServeOptions.trace} says. */
  readonly sampled: boolean;

  /** The field for requests to other servers: their parent is this request. */
  readonly traceparent: string;

  /** The field that goes with it; empty if there is none. It has at most 512 bytes. */
  readonly tracestate: string;

  /** Both fields, for requests to other servers. */
  readonly headers: { readonly traceparent: string; readonly tracestate?: string };

  /**
   * The global `fetch`, with {@link headers} added unless the request has a `traceparent` of its own;
   * that of the client, which comes along with the client's fields, is replaced. With OpenTelemetry's instrumentation of `fetch`, use `fetch` itself, or both add the field.
   */
  readonly fetch: typeof globalThis.fetch;
}
