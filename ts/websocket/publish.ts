import type { Uplink } from '../pubsub/uplink.js';
import type { PublishOptions, WebSocketMessage } from '../types/websocket.js';
import { messageOf } from './data.js';
import { publishOptions } from './server-socket.js';
import { checkTopic, wordOf } from './topics.js';

/** The server, as a thread without a lane publishes. */
export interface Publisher {
  /** Returns the number of subscribers. */
  publish(topic: string, data: Uint8Array, flags: number): number;
  subscriberCount(topic: string): number;
}

/**
 * Publishes from a thread without WebSockets. Returns the message's bytes, 0 if nobody gets it.
 * @param uplink tells other processes
 */
export function publishNatively(
  native: Publisher,
  topic: string,
  data: WebSocketMessage,
  options: boolean | PublishOptions | undefined,
  uplink: Uplink | null = null,
): number {
  checkTopic(topic);
  const message = messageOf(data);
  const { compress = true, latest = false } = publishOptions(options);
  const isText = typeof message === 'string';
  const bytes = isText ? Buffer.from(message) : message;
  const how = { isText, compress, latest };
  uplink?.publish(topic, bytes, how);
  const count = native.publish(topic, bytes, wordOf(isText, how));
  return count === 0 && uplink === null ? 0 : Math.max(bytes.length, 1);
}
