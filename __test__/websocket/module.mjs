// A module for `jsThreads` whose sockets are in one room.

import { threadId } from 'node:worker_threads';

export default {
  fetch(request, server) {
    if (server.upgrade(request, { data: { thread: threadId } })) {
      return;
    }
    return new Response(`${server.subscriberCount('room')}`);
  },
  websocket: {
    open(socket) {
      socket.subscribe('room');
      socket.send(`thread ${socket.data.thread}`);
    },
    reopen(socket) {
      const { data, subscriptions } = socket;
      socket.send(`again in thread ${threadId}, was in ${data.thread}, in ${subscriptions}`);
    },
    message(socket, message) {
      if (message === 'die') {
        process.exit(1);
      }
      socket.publish('room', message);
    },
  },
};
