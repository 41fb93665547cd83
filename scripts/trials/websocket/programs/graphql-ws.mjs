// graphql-ws: subscriptions over the server of ws.

import assert from 'node:assert/strict';
import { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { createClient } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocket } from 'ws';
import { portOf, until } from './lib.mjs';
import { check } from './tap.mjs';

export default async function trial({ createServer, WebSocketServer }) {
  let ended = 0;
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({
      name: 'Query',
      fields: { hello: { type: GraphQLString, resolve: () => 'world' } },
    }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        count: {
          type: GraphQLInt,
          args: { to: { type: GraphQLInt } },
          subscribe: async function* (_source, { to }) {
            try {
              for (let count = 0; count < to; count++) {
                yield { count };
                await new Promise((resolve) => setTimeout(resolve, 1));
              }
            } finally {
              ended++;
            }
          },
        },
      },
    }),
  });
  const server = createServer();
  const wss = new WebSocketServer({ server, path: '/graphql' });
  const disposable = useServer(
    { schema, onConnect: ({ connectionParams }) => connectionParams?.token === 'yes' },
    wss,
  );
  const url = `ws://127.0.0.1:${await portOf(server)}/graphql`;
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { token: 'yes' },
  });
  const all = async (query) => {
    const values = [];
    for await (const { data } of client.iterate({ query })) {
      values.push(data);
    }
    return values;
  };

  await check('graphql-ws: a query and a subscription', async () => {
    assert.deepEqual(await all('{ hello }'), [{ hello: 'world' }]);
    const counts = await all('subscription { count(to: 10) }');
    assert.deepEqual(
      counts.map(({ count }) => count),
      Array.from({ length: 10 }, (_, n) => n),
    );
  });

  await check('graphql-ws: a subscription that the client ends', async () => {
    const before = ended;
    for await (const _ of client.iterate({ query: 'subscription { count(to: 1000000) }' })) {
      break;
    }
    await until(() => ended === before + 1, 'the generator has ended');
  });

  await check('graphql-ws: one without the right parameters is closed with 4403', async () => {
    const other = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    const closed = new Promise((resolve) => other.on('closed', ({ code }) => resolve(code)));
    const failed = new Promise((resolve) => {
      other.subscribe({ query: '{ hello }' }, { next() {}, complete() {}, error: resolve });
    });
    assert.equal(await closed, 4403);
    await failed;
  });

  await check('graphql-ws: the server is disposed', async () => {
    const gone = new Promise((resolve) => client.on('closed', ({ code }) => resolve(code)));
    const query = 'subscription { count(to: 1000000) }';
    const first = new Promise((resolve) => {
      client.subscribe({ query }, { next: resolve, complete() {}, error() {} });
    });
    await first;
    await disposable.dispose();
    assert.equal(await gone, 1001);
    await client.dispose();
  });
}
