// The same services as in server.mjs, without Connect: `npm install @grpc/proto-loader`, then
// `node examples/grpc/direct-server.mjs`

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import loader from '@grpc/proto-loader';
import { serve } from 'reactor-rs';
import { GrpcError, grpc } from './direct.mjs';

const load = (name) =>
  loader.loadSync(fileURLToPath(new URL(name, import.meta.url)), { longs: Number });
const { 'example.v1.Echo': Echo, 'example.v1.Hint': Hint } = load('echo.proto');
const { 'grpc.health.v1.Health': Health } = load('health.proto');
const NAME = 'example.v1.Echo';

const echo = {
  async say({ text, failWith, delay, data }, call) {
    if (delay > 0) {
      await sleep(delay, undefined, { signal: call.signal });
    }
    if (failWith > 0) {
      const details = statusWith(failWith, text, { advice: 'ask for something else' });
      throw new GrpcError(failWith, text, {
        'x-failed': 'yes',
        'grpc-status-details-bin': details.toString('base64').replace(/=+$/, ''),
      });
    }
    for (const [name, value] of call.request.headers) {
      if (name.startsWith('x-')) {
        call.headers.set(name, value);
        call.trailers.set(name.replace(/(-bin)?$/, '-behind$1'), value);
      }
    }
    return { text, data };
  },

  async *count({ upto, pause }, { signal }) {
    for (let value = 1; value <= upto; value++) {
      yield { value };
      if (pause > 0) {
        await sleep(pause, undefined, { signal });
      }
    }
  },

  async sum(numbers) {
    let [sum, count] = [0, 0];
    for await (const { value } of numbers) {
      sum += value;
      count++;
    }
    return { sum, numbers: count };
  },

  async *chat(requests) {
    for await (const { text, data } of requests) {
      yield { text: `you said: ${text}`, data };
    }
  },
};

const health = {
  check({ service }) {
    if (service !== '' && service !== NAME) {
      throw new GrpcError(5, `no service ${service}`);
    }
    return { status: 'SERVING' };
  },

  async *watch({ service }, { signal }) {
    yield { status: service === '' || service === NAME ? 'SERVING' : 'SERVICE_UNKNOWN' };
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  },
};

/** A google.rpc.Status: code, message, and one detail of the type Hint. */
function statusWith(code, message, hint) {
  const field = (number, bytes) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  // Hint has one field, which is text.
  const packed = field(1, Buffer.from(hint.advice));
  const any = [field(1, Buffer.from(`type.googleapis.com/${Hint.type.name}`)), field(2, packed)];
  return Buffer.concat([
    Buffer.from([8, code]),
    field(2, Buffer.from(message)),
    field(3, Buffer.concat(any)),
  ]);
}

const services = {
  echo: { definition: Echo, methods: echo },
  health: { definition: Health, methods: health },
};
const server = await serve({
  hostname: process.env.HOST ?? '127.0.0.1',
  port: process.env.PORT ?? 3000,
  gracefulShutdown: true,
  // All messages of a client's stream count together.
  limits: { body: 256 << 20, streams: 1000 },
  fetch: grpc(services, { most: 32 << 20 }),
});
console.log(`listening on ${server.url}`);
