import type { MessagePort } from 'node:worker_threads';
import type { Failure } from './failure.js';

/** What a thread tells `--watch`. */
export type Told =
  /** A file that it is about to load, and what the file is like. */
  | { readonly kind: 'file'; readonly file: string; readonly state: string }
  /** An import that leads nowhere: another file or folder `at` there, or beside it, may mend it. */
  | { readonly kind: 'missing'; readonly at: string; readonly state: string }
  /** More of these come over this port. */
  | { readonly kind: 'port'; readonly port: MessagePort }
  | { readonly kind: 'failure'; readonly failure: Failure }
  /** A handler has failed for this request. */
  | { readonly kind: 'handler'; readonly failure: Failure; readonly request: string }
  /** The module's options that have no effect on JavaScript threads. */
  | { readonly kind: 'ignored'; readonly options: readonly string[] };
