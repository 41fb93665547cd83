// A server of the trials of pubsub. Its sockets subscribe to the topic that their URL names. The
// parent says what to publish, and hears of gaps.

import { serve } from 'reactor-rs';
import { connected } from './pubsub-clients.mjs';

const [name, client, port, threads] = process.argv.slice(2);

const onGap = ({ reason, topics, lost }) => process.send({ gap: { reason, topics, lost } });
const onError = ({ message }) => process.send({ error: message });
const pubsub = await connected(client, port, { onGap, onError });
const common = { hostname: '127.0.0.1', port: 0, control: false, pubsub };
const { default: application } = await import('./pubsub-app.mjs');
const server =
  threads === '0'
    ? await serve({ ...common, ...application })
    : await serve({
        ...common,
        module: new URL('./pubsub-app.mjs', import.meta.url),
        jsThreads: Number(threads),
      });

/** Half of the backlog: what is above waits here. */
const FULL = 8 * 1024 * 1024;

process.on('message', async ({ publish, stats, stop }) => {
  if (publish !== undefined) {
    const { topic, from, to } = publish;
    for (let count = from; count < to; count++) {
      server.publish(topic, `${name} ${count}`);
      if (count % 100 === 99) {
        do {
          await new Promise(setImmediate);
        } while (server.stats().pubsub.backlog > FULL);
      }
    }
    process.send({ published: to - from });
  } else if (stats) {
    process.send({ stats: server.stats().pubsub });
  } else if (stop) {
    await server.stop();
    process.exit();
  }
});
process.on('disconnect', () => process.exit());
process.send({ url: server.url.href.replace('http', 'ws') });
