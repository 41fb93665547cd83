import type { NativeRoute } from '../binding/binding.js';
import type { ReactorErrorCode } from '../errors/errors.js';
import type { FromUplink, ToUplink } from '../pubsub/thread-uplink.js';
import type { TrustProxy } from '../types/options.js';
import type { MovedSocket } from '../websocket/web-sockets.js';
import type { Module } from './module.js';

/** The data that a JavaScript thread is started with. */
export interface ThreadData {
  readonly module: Module;
  /** The file of the server's native binding. */
  readonly binding: string | undefined;
  readonly globals: boolean | undefined;
  /** Routes without handlers, given to `serve`; they win over the module's. */
  readonly routes: Readonly<Record<string, unknown>> | undefined;
  /** Only for `--watch`. */
  readonly development: DevelopmentData | undefined;
}

/** What a thread needs for `--watch`. */
export interface DevelopmentData {
  /** The URL of the module with the code. */
  readonly entry: string;
  /** Counts the generations of threads, from 1. */
  readonly version: number;
}

/**
 * What a thread shows with `--watch`: an error keeps a newer module from being loaded, or newer
 * threads have taken over.
 */
export type DevelopmentState =
  | { readonly kind: 'fine' }
  | {
      readonly kind: 'broken';
      readonly failure: unknown;
      /** There is no older module that could answer. */
      readonly isAlone: boolean;
    }
  | { readonly kind: 'superseded' };

/** The thread has loaded its module and made a lane. */
export interface Loaded {
  readonly type: 'loaded';
  /** The id of its lane. */
  readonly lane: number;
  /** The module's options other than handlers. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly routes: NativeRoute[] | undefined;
  /** Whether it goes on with WebSockets of other threads. */
  readonly reopens: boolean;
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

/** A WebSocket that the thread has given up, for one with a newer module. */
export interface Moved {
  readonly type: 'moved';
  readonly socket: MovedSocket;
}

/** The thread has given up the WebSockets that it had when it was asked to. */
export interface Left {
  readonly type: 'left';
}

/** Something for `--watch`. */
export interface Told {
  readonly type: 'told';
  readonly told: unknown;
}

export type FromThread = Loaded | Refused | Settled | Moved | Left | Told | FromUplink;

/** The server has the thread's lane: it may answer from now on. */
export interface Attach {
  readonly type: 'attach';
  readonly host: string | undefined;
  /** The prefix of the server's request ids. */
  readonly startId: string;
  readonly trustProxy: TrustProxy;
  /** For the ids of traces, which all threads and the access log make from the same key. */
  readonly trace: { readonly key: Uint8Array<ArrayBuffer>; readonly sampled: number } | null;
  readonly serverTiming: boolean;
  /** The most bytes of messages on their way to a broker; `null` without one. */
  readonly uplink: number | null;
  /** Only for `--watch`. */
  readonly development?: DevelopmentState;
}

/** The server has stopped: the thread shall end. */
export interface End {
  readonly type: 'end';
}

/** Asks the thread to report when its promises of `waitUntil` have settled. */
export interface Settle {
  readonly type: 'settle';
}

/** Asks the thread to give up its WebSockets, and those that it opens later. */
export interface HandOver {
  readonly type: 'hand-over';
}

/** A WebSocket of an older thread, with which the thread goes on. */
export interface Adopt {
  readonly type: 'adopt';
  readonly socket: MovedSocket;
}

/** The server stops within this many milliseconds. */
export interface Leave {
  readonly type: 'leave';
  readonly drainMs: number;
}

/** Only for `--watch`. */
export interface Show {
  readonly type: 'show';
  readonly state: DevelopmentState;
}

export type ToThread = Attach | End | Settle | HandOver | Adopt | Leave | Show | ToUplink;
