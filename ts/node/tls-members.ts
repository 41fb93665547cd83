import type { X509Certificate } from 'node:crypto';
import type { CipherNameAndProtocol, DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { ReactorTlsInfo } from '../fetch/tls-info.js';

/** OpenSSL's names of what can be wrong with a client's certificate, which Node shows. */
const ERRORS: readonly (readonly [RegExp, string])[] = [
  [/revoked/i, 'CERT_REVOKED'],
  [/not ?valid ?yet/i, 'CERT_NOT_YET_VALID'],
  [/certificate expired/i, 'CERT_HAS_EXPIRED'],
  [/unknown ?issuer/i, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [/bad ?signature/i, 'CERT_SIGNATURE_FAILURE'],
  [/purpose|key usage/i, 'INVALID_PURPOSE'],
];

/** A socket's class whose members are to be those of Node's `TLSSocket`. */
interface Encrypted {
  readonly prototype: {
    /** What TLS says of the connection. */
    readonly tlsInfo: ReactorTlsInfo | null;
  };
}

/** Gives a class the members of Node's `TLSSocket`. */
export function addTlsMembers({ prototype }: Encrypted): void {
  const { constructor: _, ...members } = Object.getOwnPropertyDescriptors(TlsMembers.prototype);
  Object.defineProperties(prototype, members);
}

/** The members of Node's `TLSSocket`. */
abstract class TlsMembers {
  abstract readonly tlsInfo: ReactorTlsInfo | null;

  get encrypted(): boolean {
    return true;
  }

  /** Whether the client has shown a certificate that is accepted. */
  get authorized(): boolean {
    return this.tlsInfo?.authorized ?? false;
  }

  /** Why the client's certificate is not accepted; `null` if it is, or if none was asked for. */
  get authorizationError(): string | null {
    const why = this.tlsInfo?.authorizationError;
    return why === undefined ? null : (ERRORS.find(([like]) => like.test(why))?.[1] ?? why);
  }

  get alpnProtocol(): string | false {
    return this.tlsInfo?.alpnProtocol ?? false;
  }

  get servername(): string | false {
    return this.tlsInfo?.serverName ?? false;
  }

  getProtocol(): string | null {
    return this.tlsInfo?.version ?? null;
  }

  getCipher(): CipherNameAndProtocol {
    const { cipher: name = '', standardCipher = '', version = '' } = this.tlsInfo ?? {};
    return { name, standardName: standardCipher, version };
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    return this.tlsInfo?.peerCertificate;
  }

  getPeerCertificate(detailed: true): DetailedPeerCertificate;
  getPeerCertificate(detailed?: false): PeerCertificate;
  getPeerCertificate(detailed = false): PeerCertificate | DetailedPeerCertificate {
    const chain = (this.tlsInfo?.peerCertificates ?? []).map((one) => one.toLegacyObject());
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
    return this.tlsInfo?.resumed ?? false;
  }

  getEphemeralKeyInfo(): object {
    const group = this.tlsInfo?.group;
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
