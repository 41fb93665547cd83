// A handler that reads two header fields, a query parameter and a JSON body of
// about a KiB, and answers with JSON.

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const body = await request.json();
    return Response.json({
      agent: request.headers.get('user-agent'),
      trace: request.headers.get('x-trace'),
      page: url.searchParams.get('page'),
      items: body.items.length,
      name: body.name,
    });
  },
};
