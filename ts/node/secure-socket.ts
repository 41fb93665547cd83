import type { X509Certificate } from 'node:crypto';
import type { CipherNameAndProtocol, DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { ReactorTlsInfo } from '../fetch/tls-info.js';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import { ExchangeSocket } from './socket.js';

/** OpenSSL's names of what can be wrong with a client's certificate, which Node shows. */
const ERRORS: readonly (readonly [RegExp, string])[] = [
  [/revoked/i, 'CERT_REVOKED'],
  [/not ?valid ?yet/i, 'CERT_NOT_YET_VALID'],
  [/certificate expired/i, 'CERT_HAS_EXPIRED'],
  [/unknown ?issuer/i, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [/bad ?signature/i, 'CERT_SIGNATURE_FAILURE'],
  [/purpose|key usage/i, 'INVALID_PURPOSE'],
];

/**
 * A socket with TLS, in the place of Node's `TLSSocket`. What TLS says of the connection is there
 * from its first request on. It must be asked for the first time before a response is complete.
 */
export class SecureSocket extends ExchangeSocket {
  readonly encrypted = true;
  #exchange: Exchange | null = null;
  #last: ReactorTlsInfo | null = null;

  override begin(exchange: Exchange, sender: Sender): void {
    this.#exchange = exchange;
    super.begin(exchange, sender);
  }

  get #tls(): ReactorTlsInfo | null {
    this.#last = this.#exchange?.tls ?? this.#last;
    return this.#last;
  }

  /** Whether the client has shown a certificate that is accepted. */
  get authorized(): boolean {
    return this.#tls?.authorized ?? false;
  }

  /** Why the client's certificate is not accepted; `null` if it is, or if none was asked for. */
  get authorizationError(): string | null {
    const why = this.#tls?.authorizationError;
    return why === undefined ? null : (ERRORS.find(([like]) => like.test(why))?.[1] ?? why);
  }

  get alpnProtocol(): string | false {
    return this.#tls?.alpnProtocol ?? false;
  }

  get servername(): string | false {
    return this.#tls?.serverName ?? false;
  }

  getProtocol(): string | null {
    return this.#tls?.version ?? null;
  }

  getCipher(): CipherNameAndProtocol {
    const { cipher: name = '', standardCipher = '', version = '' } = this.#tls ?? {};
    return { name, standardName: standardCipher, version };
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    return this.#tls?.peerCertificate;
  }

  getPeerCertificate(detailed: true): DetailedPeerCertificate;
  getPeerCertificate(detailed?: false): PeerCertificate;
  getPeerCertificate(detailed = false): PeerCertificate | DetailedPeerCertificate {
    const chain = (this.#tls?.peerCertificates ?? []).map((one) => one.toLegacyObject());
    const [first] = chain as DetailedPeerCertificate[];
    if (detailed) {
      for (const [index, one] of (chain as DetailedPeerCertificate[]).entries()) {
        // As in Node, the last one has itself as its issuer.
        one.issuerCertificate = (chain[index + 1] ?? one) as DetailedPeerCertificate;
      }
    }
    // As in Node, an empty object if the client has shown none.
    return first ?? ({} as PeerCertificate);
  }

  isSessionReused(): boolean {
    return this.#tls?.resumed ?? false;
  }

  getEphemeralKeyInfo(): object {
    const group = this.#tls?.group;
    return group === undefined ? {} : { type: 'ECDH', name: group };
  }

  /** Sessions belong to the engine. */
  getSession(): undefined {
    return undefined;
  }

  getTLSTicket(): undefined {
    return undefined;
  }

  /** No-op: nothing is ever renegotiated. */
  disableRenegotiation(): void {}
}
