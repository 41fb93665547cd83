// The handler that every JavaScript contender runs.

export default {
  fetch() {
    return new Response('Hello, World!');
  },
};
