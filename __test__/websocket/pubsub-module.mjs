// A module that may not export what it does.

export default { fetch: () => new Response('no'), pubsub: {} };
