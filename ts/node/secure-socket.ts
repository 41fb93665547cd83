import type { ReactorTlsInfo } from '../fetch/tls-info.js';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import { PipeSocket } from './pipe-socket.js';
import { ExchangeSocket } from './socket.js';
import { addTlsMembers } from './tls-members.js';

/**
 * A socket with TLS, in the place of Node's `TLSSocket`. What TLS says of the connection is there
 * from its first request on. It must be asked for the first time before a response is complete.
 */
export class SecureSocket extends ExchangeSocket {
  #exchange: Exchange | null = null;
  #last: ReactorTlsInfo | null = null;

  override begin(exchange: Exchange, sender: Sender): void {
    this.#exchange = exchange;
    super.begin(exchange, sender);
  }

  override learn(exchange: Exchange): void {
    if (this.#exchange?.isOpen !== true) {
      this.#exchange = exchange;
    }
  }

  get tlsInfo(): ReactorTlsInfo | null {
    this.#last = this.#exchange?.tls ?? this.#last;
    return this.#last;
  }
}

/** The socket of 'upgrade' with TLS. */
export class SecurePipeSocket extends PipeSocket {}

addTlsMembers(SecureSocket);
addTlsMembers(SecurePipeSocket);
