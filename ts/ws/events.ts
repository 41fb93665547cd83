import type { EventEmitter } from 'node:events';

/** An event as browsers have it, for {@link addListener} and the `on…` properties. */
export class SocketEvent {
  readonly type: string;
  readonly target: EventEmitter;

  constructor(type: string, target: EventEmitter) {
    this.type = type;
    this.target = target;
  }
}

export class MessageEvent extends SocketEvent {
  readonly data: unknown;

  constructor(target: EventEmitter, data: unknown) {
    super('message', target);
    this.data = data;
  }
}

export class CloseEvent extends SocketEvent {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor(target: EventEmitter, code: number, reason: string, wasClean: boolean) {
    super('close', target);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

export class ErrorEvent extends SocketEvent {
  readonly error: unknown;
  readonly message: string;

  constructor(target: EventEmitter, error: Error) {
    super('error', target);
    this.error = error;
    this.message = error.message;
  }
}

/** A listener of events, or an object that has one. */
export type EventListener<Event> = ((event: Event) => void) | { handleEvent(event: Event): void };

/** What the socket knows of an event beyond what its listeners get. */
export interface EventFacts {
  /** The message that is being told, if it is text. */
  readonly text: string | null;
  readonly wasClean: boolean;
}

/** What an emitter's listener was made from. */
interface Origin {
  readonly listener: unknown;
  /** It is the value of an `on…` property. */
  readonly isProperty: boolean;
}

const ORIGINS = new WeakMap<object, Origin>();

/** The events that a WebSocket of the standard has. */
const TYPES: readonly string[] = ['open', 'message', 'close', 'error'];

/** Adds a listener as `addEventListener` does. */
export function addListener(
  emitter: EventEmitter & EventFacts,
  type: string,
  listener: EventListener<SocketEvent>,
  { once = false, isProperty = false } = {},
): void {
  if (!TYPES.includes(type) || (!isProperty && find(emitter, type, listener, false))) {
    return;
  }
  const wrapped = wrap(emitter, type, listener);
  ORIGINS.set(wrapped, { listener, isProperty });
  if (once) {
    emitter.once(type, wrapped);
  } else {
    emitter.on(type, wrapped);
  }
}

/** Removes a listener that {@link addListener} added. */
export function removeListener(emitter: EventEmitter, type: string, listener: unknown): void {
  const found = find(emitter, type, listener, false);
  if (found !== undefined) {
    emitter.removeListener(type, found);
  }
}

/** The value of an `on…` property. */
export function propertyOf(emitter: EventEmitter, type: string): unknown {
  const found = emitter.listeners(type).find((each) => ORIGINS.get(each)?.isProperty);
  return found === undefined ? null : ORIGINS.get(found)?.listener;
}

export function setProperty(
  emitter: EventEmitter & EventFacts,
  type: string,
  listener: unknown,
): void {
  const before = propertyOf(emitter, type);
  const found = before === null ? undefined : find(emitter, type, before, true);
  if (found !== undefined) {
    emitter.removeListener(type, found);
  }
  if (typeof listener === 'function') {
    addListener(emitter, type, listener as () => void, { isProperty: true });
  }
}

type Wrapped = (...given: unknown[]) => void;

function find(
  emitter: EventEmitter,
  type: string,
  listener: unknown,
  isProperty: boolean,
): Wrapped | undefined {
  const isIt = (each: object) => {
    const origin = ORIGINS.get(each);
    return origin?.listener === listener && origin?.isProperty === isProperty;
  };
  return emitter.listeners(type).find(isIt) as Wrapped | undefined;
}

function wrap(
  emitter: EventEmitter & EventFacts,
  type: string,
  listener: EventListener<SocketEvent>,
): Wrapped {
  const tell = (event: SocketEvent) => {
    if (typeof listener === 'function') {
      listener.call(emitter, event);
    } else {
      listener.handleEvent(event);
    }
  };
  switch (type) {
    case 'message':
      return (data, isBinary) =>
        tell(new MessageEvent(emitter, isBinary ? data : (emitter.text ?? String(data))));
    case 'close':
      return (code, reason) =>
        tell(new CloseEvent(emitter, code as number, String(reason), emitter.wasClean));
    case 'error':
      return (error) => tell(new ErrorEvent(emitter, error as Error));
    default:
      return () => tell(new SocketEvent(type, emitter));
  }
}
