import { EventEmitter } from 'node:events';
import { Http2ServerRequest } from 'node:http2';
import { ReactorError } from '../../errors/errors.js';

/**
 * The symbol under which Node's request and response look for their session's socket. It is not
 * exported, so a request is asked for its socket's address, and a session sees what it looks for.
 */
export const kSocket: unique symbol = findSocketSymbol() as never;

function findSocketSymbol(): symbol {
  let found: symbol | undefined;
  const session = new Proxy(
    {},
    {
      get: (_, name) => {
        if (typeof name === 'symbol') {
          found = name;
        }
        return {};
      },
    },
  );
  const stream = Object.assign(new EventEmitter(), { session });
  const request = new Http2ServerRequest(stream as never, {}, {}, []);
  void request.socket.remoteAddress;
  if (found === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_UNSUPPORTED',
      `reactor-rs/node does not work with Node ${process.version}: its http2 module has no socket`,
    );
  }
  return found;
}
