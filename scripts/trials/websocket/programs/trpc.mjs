// tRPC: queries and subscriptions by wsLink.

import assert from 'node:assert/strict';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import { WebSocket } from 'ws';
import { portOf, until } from './lib.mjs';
import { check } from './tap.mjs';

export default async function trial({ createServer, WebSocketServer }) {
  const t = initTRPC.create();
  let left = 0;
  const router = t.router({
    double: t.procedure.input((value) => Number(value)).query(({ input }) => 2 * input),
    count: t.procedure
      .input((value) => Number(value))
      .subscription(async function* ({ input, signal }) {
        try {
          for (let n = 0; n < input && !signal.aborted; n++) {
            yield n;
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        } finally {
          left++;
        }
      }),
  });
  const server = createServer();
  const wss = new WebSocketServer({ server });
  const handler = applyWSSHandler({
    wss,
    router,
    createContext: () => ({}),
    keepAlive: { enabled: true },
  });
  const port = await portOf(server);
  let opened = 0;
  const client = createWSClient({
    url: `ws://127.0.0.1:${port}`,
    WebSocket,
    retryDelayMs: () => 10,
    onOpen: () => opened++,
  });
  const api = createTRPCClient({ links: [wsLink({ client })] });

  await check('tRPC: queries', async () => {
    const answers = await Promise.all([1, 2, 3].map((n) => api.double.query(n)));
    assert.deepEqual(answers, [2, 4, 6]);
  });

  await check('tRPC: a subscription to its end', async () => {
    const got = [];
    await new Promise((resolve, reject) => {
      api.count.subscribe(20, {
        onData: (n) => got.push(n),
        onComplete: resolve,
        onError: reject,
      });
    });
    assert.deepEqual(
      got,
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  await check('tRPC: a subscription that the client ends', async () => {
    const before = left;
    const first = new Promise((resolve, reject) => {
      const subscription = api.count.subscribe(1e9, {
        onData: () => resolve(subscription),
        onError: reject,
      });
    });
    (await first).unsubscribe();
    await until(() => left === before + 1, 'the generator has ended');
  });

  await check('tRPC: clients are told to reconnect, and do', async () => {
    const before = opened;
    handler.broadcastReconnectNotification();
    await until(() => opened > before, 'it has reconnected');
    assert.equal(await api.double.query(21), 42);
  });
  await client.close();
}
