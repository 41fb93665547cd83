// What the modules of reload.test.mjs have in common.

import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';

/** A module that tells its version in each answer, and counts what it has got of a socket. */
export function version(name) {
  const channel = new BroadcastChannel('reload.test');
  channel.unref();
  // A thread that takes long to end is terminated, and tells nothing.
  setInterval(() => channel.postMessage({ alive: name }), 50).unref();
  process.on('exit', () => channel.postMessage({ ended: name }));
  process.on('warning', ({ message }) => channel.postMessage({ warning: message }));
  return {
    async fetch(request, server) {
      const { searchParams } = new URL(request.url);
      if (searchParams.has('wait')) {
        channel.postMessage({ waits: name });
        await new Promise((resolve) => {
          channel.onmessage = resolve;
        });
      }
      const data = {
        name: searchParams.get('name'),
        count: 0,
        since: new Date(0),
        ...(searchParams.has('odd') ? { call() {} } : {}),
      };
      return server.upgrade(request, { data }) ? undefined : new Response(name);
    },
    websocket: {
      open(socket) {
        socket.subscribe('room');
        socket.send(`open ${name}`);
      },
      reopen(socket) {
        socket.data.reopened = (socket.data.reopened ?? 0) + 1;
      },
      message(socket, message) {
        if (message === 'who') {
          const { data, subscriptions, remoteAddress } = socket;
          const isDate = data.since instanceof Date;
          socket.send(JSON.stringify({ name, data, isDate, subscriptions, remoteAddress }));
          return undefined;
        }
        const { data } = socket;
        const count = ++data.count;
        const answer = () => void socket.send(`${count} ${message}`);
        // Every second socket is answered later.
        return Number(data.name) % 2 === 0 ? answer() : sleep(1).then(answer);
      },
    },
  };
}
