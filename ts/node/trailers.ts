import type { Exchange } from '../lane/exchange.js';
import { fieldsOfHead } from '../lane/head-fields.js';
import { rawTrailers } from '../lane/trailers.js';
import type { NodeIncoming } from './internals.js';

/** Gives a request that is complete the trailers that its exchange has. */
export function addTrailers(req: NodeIncoming, { incoming }: Exchange): void {
  if (incoming !== null && incoming.trailers !== '') {
    const trailers = rawTrailers(incoming.trailers);
    // Node adds them to the trailers, not the headers, once the request is complete.
    req._addHeaderLines(trailers, trailers.length);
  }
}

/** Sends an interim response, of which Node has made this text. The engine itself sends 100. */
export function inform(exchange: Exchange, text: string): void {
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);
  if (status > 101 && status < 200) {
    exchange.inform(status, fieldsOfHead(text, 0));
  }
}
