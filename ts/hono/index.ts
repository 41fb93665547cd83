import type { Context } from 'hono';
import type { UpgradeWebSocket, WSContext, WSEvents, WSReadyState } from 'hono/ws';
import { ReactorError } from '../errors/errors.js';
import type { HandlerInfo } from '../types/handler.js';
import type { ServerWebSocket, UpgradeOptions, WebSocketMessage } from '../types/websocket.js';

/**
 * Hono's WebSocket helper for this server. It needs no option of `serve`. With {@link UpgradeOptions}
 * as second argument the answer gets fields.
 *
 * A request that is no handshake goes on to the next handler.
 *
 * @example
 * import { Hono } from 'hono';
 * import { serve } from 'reactor-rs';
 * import { upgradeWebSocket } from 'reactor-rs/hono';
 *
 * const app = new Hono();
 * app.get('/echo', upgradeWebSocket(() => ({
 *   onMessage: (event, socket) => socket.send(event.data),
 * })));
 * await serve(app);
 */
export const upgradeWebSocket: UpgradeWebSocket<ServerWebSocket, HonoUpgradeOptions> = ((
  ...given: unknown[]
) => {
  const [first, second, third] = given;
  if (typeof first === 'function') {
    return async (context: Context, next: () => Promise<void>) => {
      const events = await (first as (context: Context) => unknown)(context);
      const upgraded = upgrade(context, events as Events, second as HonoUpgradeOptions);
      return upgraded ?? (await next());
    };
  }
  return Promise.resolve().then(() => {
    const upgraded = upgrade(first as Context, second as Events, third as HonoUpgradeOptions);
    if (upgraded === null) {
      throw new ReactorError(
        'ERR_REACTOR_WEBSOCKET',
        'the request is no handshake of a WebSocket, or its client has gone',
      );
    }
    return upgraded;
  });
}) as unknown as UpgradeWebSocket<ServerWebSocket, HonoUpgradeOptions>;

/** Options of {@link upgradeWebSocket}. */
export type HonoUpgradeOptions = Pick<UpgradeOptions, 'headers'>;

type Events = WSEvents<ServerWebSocket>;

/** The answer that Hono passes on, and that is not sent; `null` if it was no handshake. */
function upgrade(
  context: Context,
  events: Events,
  options: HonoUpgradeOptions | undefined,
): Response | null {
  const request = context.req.raw;
  const info = context.env as Partial<HandlerInfo> | undefined;
  if (typeof info?.upgrade !== 'function') {
    throw new ReactorError(
      'ERR_REACTOR_WEBSOCKET',
      'upgradeWebSocket needs the second argument of the handler: serve(app), or app.fetch(request, info)',
    );
  }
  let socket: Socket | undefined;
  const url = new URL(request.url);
  const faceOf = (raw: ServerWebSocket) => {
    if (socket === undefined) {
      socket = new Socket(raw, url);
    }
    return socket as unknown as WSContext<ServerWebSocket>;
  };
  const upgraded = info.upgrade(request, {
    ...options,
    handlers: {
      open: (raw) => {
        raw.binaryType = 'arraybuffer';
        return events.onOpen?.(new Event('open'), faceOf(raw)) as unknown as undefined;
      },
      message: (raw, data) =>
        events.onMessage?.(
          new MessageEvent('message', { data: data as unknown as ArrayBuffer }),
          faceOf(raw),
        ) as unknown as undefined,
      close: (raw, code, reason) =>
        events.onClose?.(closeEvent(code, reason), faceOf(raw)) as unknown as undefined,
      error: (raw, error) => {
        if (events.onError === undefined) {
          throw error;
        }
        events.onError(Object.assign(new Event('error'), { error }), faceOf(raw));
      },
    },
  });
  return upgraded ? new Response(null) : null;
}

/** A socket as Hono's handlers get it. */
class Socket {
  readonly raw: ServerWebSocket;
  readonly url: URL;
  /** The class of binary messages is always this. */
  binaryType = 'arraybuffer' as const;

  constructor(raw: ServerWebSocket, url: URL) {
    this.raw = raw;
    this.url = url;
  }

  get readyState(): WSReadyState {
    return this.raw.readyState;
  }

  get protocol(): string {
    return this.raw.protocol;
  }

  send(data: WebSocketMessage, { compress }: { compress?: boolean } = {}): void {
    this.raw.send(data, compress);
  }

  close(code?: number, reason?: string): void {
    this.raw.close(code, reason);
  }
}

/** Node has the class from version 23 on. */
function closeEvent(code: number, reason: string): CloseEvent {
  const wasClean = code !== 1006;
  return Object.assign(new Event('close'), { code, reason, wasClean }) as unknown as CloseEvent;
}

/** As browsers have it; Node's types have none before version 23. */
interface CloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}
