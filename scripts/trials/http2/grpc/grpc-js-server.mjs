// The method Say on grpc-js's own server, for bench/grpc.mjs.

import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const path = fileURLToPath(new URL('../example/echo.proto', import.meta.url));
const { 'example.v1.Echo': Echo } = loader.loadSync(path, { longs: Number });
const server = new grpc.Server({ 'grpc.max_concurrent_streams': 1000 });
server.addService(Echo, {
  say: ({ request: { text, data } }, reply) => reply(null, { text, data }),
});
const address = `127.0.0.1:${process.env.PORT}`;
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
