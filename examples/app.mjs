// What nginx, HAProxy, systemd, Docker and Kubernetes run here:
// `npx reactor-rs serve examples/app.mjs`

export default {
  routes: {
    // Answered by the engine, also while JavaScript is busy or stuck.
    '/healthz': 'ok',
    // Answered by JavaScript: no answer means that it is stuck.
    '/livez': () => new Response('ok'),
  },

  async fetch(request, { remoteAddress }) {
    const { byteLength } = await request.arrayBuffer();
    return Response.json({
      method: request.method,
      url: request.url,
      client: remoteAddress,
      bytes: byteLength,
    });
  },
};
