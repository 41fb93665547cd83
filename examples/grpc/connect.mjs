// From a router of Connect (https://connectrpc.com) to a fetch handler that speaks gRPC, gRPC-Web and
// Connect's own protocol. Connect describes requests and responses as every server has them. Beyond that
// gRPC needs trailers, which `new Response(body, { trailers })` sends.

/**
 * @param {import('@connectrpc/connect').ConnectRouter} router
 * @returns {import('reactor-rs').Handler}
 */
export function fetchOf(router) {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return async (request, info) => {
    const { url, method, signal } = request;
    const handler = handlers.get(new URL(url).pathname);
    if (handler === undefined) {
      // Clients of gRPC take it for UNIMPLEMENTED.
      return new Response(null, { status: 404 });
    }
    const { methodKind } = handler.method;
    const isOneMessage = methodKind === 'unary' || methodKind === 'server_streaming';
    const response = await handler({
      httpVersion: info.protocol.slice('HTTP/'.length),
      url,
      method,
      header: request.headers,
      body: isOneMessage ? whole(request) : (request.body ?? nothing()),
      signal,
    });
    const { status, header: headers, body, trailer: trailers } = response;
    // Connect sets the trailers while the body is read. They are read when it has ended.
    return new Response(body, { status, headers, trailers });
  };
}

/** One message costs less in one piece than as a stream. */
async function* whole(request) {
  yield await request.bytes();
}

async function* nothing() {}
