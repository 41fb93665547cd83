// Compiled, never run: trailers, informational answers and priorities, in the public types.

import { type HandlerInfo, type RequestPriority, Response, serve, type Trailers } from 'reactor-rs';

const given: Trailers[] = [
  { sum: '17' },
  new Headers(),
  [['sum', '17']],
  Promise.resolve({ sum: '17' }),
  () => ({ sum: '17' }),
  async () => new Headers(),
];

serve({
  port: 0,
  async fetch(request, info) {
    const priority: RequestPriority = info.priority;
    info.earlyHints('</style.css>; rel=preload; as=style');
    info.earlyHints(['</a.css>; rel=preload', '</b.js>; rel=preload']);
    info.sendInformational(103, { link: '</a.css>; rel=preload' });
    info.sendInformational(102);
    // @ts-expect-error a link is text
    info.earlyHints({ link: '</a.css>' });
    await request.text();
    const trailers: Headers = await request.trailers;
    const sum: string | null = trailers.get('sum');
    // @ts-expect-error they are no number
    new Response(sum, { trailers: 17 });
    return new Response(`${priority.urgency}`, { trailers: given[0] });
  },
});

export const plain = (info: HandlerInfo) =>
  new Response('body', { headers: {}, trailers: () => ({ id: info.requestId }) });
