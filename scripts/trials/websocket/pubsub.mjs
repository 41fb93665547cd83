// Topics across three processes over a real Valkey and a real NATS server, with each client.
//
//   node scripts/trials/websocket/pubsub.mjs [client …]

import { finish } from '../lib.mjs';
import { Broker, brokerProgram } from './brokers.mjs';
import { runPubSub } from './programs.mjs';
import { scratch } from './scratch.mjs';

const PACKAGES = {
  '@nats-io/transport-node': '3.4.0',
  ioredis: '6.0.0',
  ioredis5: 'npm:ioredis@5.11.1',
  nats: '2.29.3',
  redis: '6.3.1',
  redis4: 'npm:redis@4.7.1',
  redis5: 'npm:redis@5.12.1',
  ws: '8.23.0',
};

/** Of each version some thousand messages, of the current ones 100,000. */
const CLIENTS = [
  ['redis', 'ioredis', 100_000],
  ['redis', 'redis', 100_000],
  ['nats', '@nats-io/transport-node', 100_000],
  ['redis', 'ioredis5', 6000],
  ['redis', 'redis4', 6000],
  ['redis', 'redis5', 6000],
  ['nats', 'nats', 6000],
];

const asked = process.argv.slice(2);
const programs = {};
let folder;
for (const [name, client, messages] of CLIENTS) {
  if (asked.length > 0 && !asked.includes(client)) {
    continue;
  }
  programs[name] ??= await brokerProgram(name);
  if (programs[name] === null) {
    continue;
  }
  folder ??= await scratch(PACKAGES);
  if (folder === null) {
    break;
  }
  const broker = await Broker.start(name, programs[name]);
  try {
    await runPubSub(folder, broker, client, messages);
  } finally {
    await broker.kill();
  }
}
finish();
