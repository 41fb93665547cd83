import { type InspectOptions, inspect } from 'node:util';
import {
  parseTraceParent,
  parseTraceState,
  RANDOM,
  SAMPLED,
  traceParentOf,
} from './trace-context.js';
import type { MadeIds } from './trace-ids.js';

/** A request's fields by name. */
type FieldOf = (name: string) => string | null;

/** A request's place in its trace; see `Trace` of the public types. */
export class RequestTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly sampled: boolean;
  readonly traceparent: string;
  readonly tracestate: string;
  /** What the client has sent. */
  readonly #received: string | null;

  constructor(fieldOf: FieldOf, { traceId, spanId, isSampled }: MadeIds) {
    this.#received = fieldOf('traceparent');
    const parent = parseTraceParent(this.#received);
    const flags = parent?.flags ?? (isSampled ? SAMPLED | RANDOM : RANDOM);
    this.traceId = parent?.traceId ?? traceId;
    this.spanId = spanId;
    this.parentId = parent?.parentId ?? null;
    this.sampled = (flags & SAMPLED) !== 0;
    this.traceparent = traceParentOf(this.traceId, spanId, flags);
    // Without its `traceparent` a `tracestate` means nothing.
    this.tracestate = parent === null ? '' : parseTraceState(fieldOf('tracestate'));
  }

  get headers(): Record<'traceparent', string> & Partial<Record<'tracestate', string>> {
    const { traceparent, tracestate } = this;
    return tracestate === '' ? { traceparent } : { traceparent, tracestate };
  }

  get fetch(): typeof globalThis.fetch {
    return (input, init) => {
      const given = init?.headers ?? (input instanceof Request ? input.headers : undefined);
      const headers = new Headers(given);
      const own = headers.get('traceparent');
      // Who passes on the fields of the request has not chosen the client's span as the parent.
      if (own === null || own === this.#received) {
        headers.delete('tracestate');
        for (const [name, value] of Object.entries(this.headers)) {
          headers.set(name, value);
        }
      }
      return globalThis.fetch(input, { ...init, headers });
    };
  }

  toJSON(): Record<string, unknown> {
    const { traceId, spanId, parentId, sampled, tracestate } = this;
    return { traceId, spanId, parentId, sampled, tracestate };
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `Trace ${inspect(this.toJSON(), options)}`;
  }
}
