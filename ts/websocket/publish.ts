import { WS_COMPRESSES, WS_LATEST, WS_SENDS_BINARY, WS_SENDS_TEXT } from '../lane/record.js';
import type { PublishOptions, WebSocketMessage } from '../types/websocket.js';
import { messageOf } from './data.js';
import { publishOptions } from './server-socket.js';
import { checkTopic } from './topics.js';

/** The server, as a thread without a lane publishes. */
export interface Publisher {
  /** Returns the number of subscribers. */
  publish(topic: string, data: Uint8Array, flags: number): number;
  subscriberCount(topic: string): number;
}

/** Publishes from a thread without WebSockets. Returns the message's bytes, 0 if nobody gets it. */
export function publishNatively(
  native: Publisher,
  topic: string,
  data: WebSocketMessage,
  options: boolean | PublishOptions | undefined,
): number {
  checkTopic(topic);
  const message = messageOf(data);
  const { compress = true, latest = false } = publishOptions(options);
  const isText = typeof message === 'string';
  const bytes = isText ? Buffer.from(message) : message;
  const flags =
    (isText ? WS_SENDS_TEXT : WS_SENDS_BINARY) |
    (compress ? WS_COMPRESSES : 0) |
    (latest ? WS_LATEST : 0);
  return native.publish(topic, bytes, flags) === 0 ? 0 : Math.max(bytes.length, 1);
}
