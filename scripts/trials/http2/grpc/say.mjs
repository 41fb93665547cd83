// One call of Say by grpc-js: `node say.mjs <port>` ends with 1 if the reply is wrong.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const path = fileURLToPath(new URL('../example/echo.proto', import.meta.url));
const { Echo } = grpc.loadPackageDefinition(loader.loadSync(path)).example.v1;
const echo = new Echo(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure());
const reply = await new Promise((resolve, reject) => {
  echo.Say({ text: 'hello' }, (error, message) => (error ? reject(error) : resolve(message)));
});
assert.equal(reply.text, 'hello');
echo.close();
