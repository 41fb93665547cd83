// What a thread of the trials of pubsub serves. A socket's messages are published to its topic.

export default {
  fetch(request, { upgrade }) {
    const topic = new URL(request.url).searchParams.get('topic');
    return upgrade(request, { data: { topic } }) ? undefined : new Response('no');
  },
  websocket: {
    open: (socket) => void socket.subscribe(socket.data.topic),
    message: (socket, message) => void socket.publish(socket.data.topic, message),
  },
};
