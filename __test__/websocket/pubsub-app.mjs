// What servers of tests serve: a socket's topic is its path, and what it sends is published there.

export default {
  fetch(request, { upgrade }) {
    const topic = new URL(request.url).pathname.slice(1);
    return upgrade(request, { data: topic }) ? undefined : new Response('no');
  },
  websocket: {
    open(socket) {
      socket.subscribe(socket.data);
    },
    message(socket, message) {
      if (message === 'die') {
        setImmediate(() => {
          throw new Error('a thread dies');
        });
        return;
      }
      socket.publish(socket.data, message);
    },
  },
};
