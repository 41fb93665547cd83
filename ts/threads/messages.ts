import type { NativeRoute } from '../binding/binding.js';
import type { ReactorErrorCode } from '../errors/errors.js';
import type { TrustProxy } from '../types/options.js';
import type { Module } from './module.js';

/** What a JavaScript thread is started with. */
export interface ThreadData {
  readonly module: Module;
  /** The file of the server's native binding. */
  readonly binding: string | undefined;
  readonly globals: boolean | undefined;
  /** Routes without handlers, which win over the module's. */
  readonly routes: Readonly<Record<string, unknown>> | undefined;
}

/** The thread has loaded its module, and has a lane. */
export interface Loaded {
  readonly type: 'loaded';
  /** The number of its lane. */
  readonly lane: number;
  /** What the module says besides handlers. */
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

/** Whether a handler of the thread's wants something waited for. */
export interface Settled {
  readonly type: 'settled' | 'waiting';
}

export type FromThread = Loaded | Refused | Settled;

/** The thread's lane is in a server: answer. */
export interface Attach {
  readonly type: 'attach';
  readonly host: string | undefined;
  /** What the ids of the server's requests begin with. */
  readonly startId: string;
  readonly trustProxy: TrustProxy;
}

/** The server has stopped: end. */
export interface End {
  readonly type: 'end';
}

/** Tell what handlers want waited for. */
export interface Settle {
  readonly type: 'settle';
}

export type ToThread = Attach | End | Settle;
