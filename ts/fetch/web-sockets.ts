import type {
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketMessage,
  WebSocketStream,
} from '../types/websocket.js';

/** What the server of a request does with WebSockets. */
export interface WebSocketFace {
  /** Makes a request a WebSocket; `false` if it is no handshake. */
  upgrade(source: object, options: UpgradeOptions | undefined): boolean;
  /** The same for an async iterable; throws the answer for a request that is no handshake. */
  accept(source: object, options: UpgradeOptions | undefined): WebSocketStream;
  publish(
    topic: string,
    data: WebSocketMessage,
    options: boolean | PublishOptions | undefined,
  ): number;
  subscriberCount(topic: string): number;
  subscribers(topic: string): ServerWebSocket[];
}
