// A static route and a handler, for `reactor-rs serve`.

export default {
  routes: { '/inline': 'Hello, World!' },
  fetch() {
    return new Response('Hello, World!');
  },
};
