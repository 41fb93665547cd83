import type { NativeRoute } from '../binding/binding.js';
import type { ReactorErrorCode } from '../errors/errors.js';
import type { FromUplink, ToUplink } from '../pubsub/thread-uplink.js';
import type { TrustProxy } from '../types/options.js';
import type { Module } from './module.js';

/** The data that a JavaScript thread is started with. */
export interface ThreadData {
  readonly module: Module;
  /** The file of the server's native binding. */
  readonly binding: string | undefined;
  readonly globals: boolean | undefined;
  /** Routes without handlers, given to `serve`; they win over the module's. */
  readonly routes: Readonly<Record<string, unknown>> | undefined;
}

/** The thread has loaded its module and made a lane. */
export interface Loaded {
  readonly type: 'loaded';
  /** The id of its lane. */
  readonly lane: number;
  /** The module's options other than handlers. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly routes: NativeRoute[] | undefined;
}

/** The thread cannot serve its module. */
export interface Refused {
  readonly type: 'refused';
  readonly code: ReactorErrorCode;
  readonly message: string;
  readonly cause: unknown;
}

/** Whether promises of `waitUntil` are pending on the thread. */
export interface Settled {
  readonly type: 'settled' | 'waiting';
}

export type FromThread = Loaded | Refused | Settled | FromUplink;

/** The server has the thread's lane: it may answer from now on. */
export interface Attach {
  readonly type: 'attach';
  readonly host: string | undefined;
  /** The prefix of the server's request ids. */
  readonly startId: string;
  readonly trustProxy: TrustProxy;
  /** The most bytes of messages on their way to a broker; `null` without one. */
  readonly uplink: number | null;
}

/** The server has stopped: the thread shall end. */
export interface End {
  readonly type: 'end';
}

/** Asks the thread to report when its promises of `waitUntil` have settled. */
export interface Settle {
  readonly type: 'settle';
}

export type ToThread = Attach | End | Settle | ToUplink;
