// gRPC from a fetch handler: `npm install @connectrpc/connect @bufbuild/protobuf`, then
// `node examples/grpc/server.mjs`
//
//   grpcurl -plaintext -proto examples/grpc/echo.proto -d '{"text":"hi"}' 127.0.0.1:3000 example.v1.Echo/Say
//
// gen/ is made of the .proto files by `npx buf generate` (@bufbuild/buf, @bufbuild/protoc-gen-es).

import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createConnectRouter } from '@connectrpc/connect';
import { serve } from 'reactor-rs';
import { fetchOf } from './connect.mjs';
import { Echo, HintSchema } from './gen/echo_pb.js';
import { Health, HealthCheckResponse_ServingStatus as Status } from './gen/health_pb.js';

/** Messages that are compressed. */
const compression = {
  name: 'gzip',
  compress: promisify(gzip),
  async decompress(bytes, most) {
    try {
      return await promisify(gunzip)(bytes, { maxOutputLength: most });
    } catch (error) {
      throw ConnectError.from(error, Code.InvalidArgument);
    }
  },
};

/** Fails when the client has cancelled, or its deadline has passed; the signal knows which. */
async function wait(milliseconds, signal) {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}

const router = createConnectRouter({ acceptCompression: [compression], readMaxBytes: 32 << 20 });

router.service(Echo, {
  async say({ text, failWith, delay, data }, context) {
    if (delay > 0) {
      await wait(delay, context.signal);
    }
    if (failWith !== 0) {
      const hint = create(HintSchema, { advice: 'ask for something else' });
      throw new ConnectError(text, failWith, { 'x-failed': 'yes' }, [
        { desc: HintSchema, value: hint },
      ]);
    }
    for (const [name, value] of context.requestHeader) {
      if (name.startsWith('x-')) {
        context.responseHeader.set(name, value);
        context.responseTrailer.set(
          `${name.replace(/-bin$/, '')}-behind${name.endsWith('-bin') ? '-bin' : ''}`,
          value,
        );
      }
    }
    return { text, data };
  },

  async *count({ upto, pause }, { signal }) {
    for (let value = 1; value <= upto; value++) {
      yield { value };
      if (pause > 0) {
        await wait(pause, signal);
      }
    }
  },

  async sum(numbers) {
    let [sum, count] = [0n, 0];
    for await (const { value } of numbers) {
      sum += BigInt(value);
      count++;
    }
    return { sum, numbers: count };
  },

  async *chat(requests) {
    for await (const { text, data } of requests) {
      yield { text: `you said: ${text}`, data };
    }
  },
});

router.service(Health, {
  check({ service }) {
    if (service !== '' && service !== Echo.typeName) {
      throw new ConnectError(`no service ${service}`, Code.NotFound);
    }
    return { status: Status.SERVING };
  },

  async *watch({ service }, { signal }) {
    const isKnown = service === '' || service === Echo.typeName;
    yield { status: isKnown ? Status.SERVING : Status.SERVICE_UNKNOWN };
    // A real one goes on when that changes.
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  },
});

const server = await serve({
  hostname: process.env.HOST ?? '127.0.0.1',
  port: process.env.PORT ?? 3000,
  gracefulShutdown: true,
  // All messages of a client's stream count together.
  limits: { body: 256 << 20, streams: 1000 },
  fetch: fetchOf(router),
});
console.log(`listening on ${server.url}`);
