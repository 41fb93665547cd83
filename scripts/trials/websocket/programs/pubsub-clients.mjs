// Each client of a broker, as a program would make it.

import { nats } from 'reactor-rs/nats';
import { redis } from 'reactor-rs/redis';

/** What `serve` takes as `pubsub`. */
export async function connected(client, port, options) {
  if (client.startsWith('ioredis')) {
    const { default: Redis } = await import(client);
    return redis(new Redis(Number(port), '127.0.0.1', { lazyConnect: true }), options);
  }
  if (client.startsWith('redis')) {
    const { createClient } = await import(client);
    return redis(createClient({ url: `redis://127.0.0.1:${port}` }), options);
  }
  const { connect } = await import(client);
  const servers = `127.0.0.1:${port}`;
  const wait = { maxReconnectAttempts: -1, reconnectTimeWait: 250 };
  return nats(await connect({ servers, ...wait }), options);
}
