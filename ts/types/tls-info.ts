import type { X509Certificate } from 'node:crypto';

/** What a connection with TLS has agreed on, see {@link HandlerInfo.tls}. */
export interface TlsInfo {
  readonly version: 'TLSv1.2' | 'TLSv1.3';

  /** The cipher suite, by OpenSSL's name. */
  readonly cipher: string;

  /** The cipher suite, by the standard's name. */
  readonly standardCipher: string;

  /** The group of the key exchange; `undefined` for a session of TLS 1.2 that was resumed. */
  readonly group: string | undefined;

  /** The protocol that ALPN has agreed on; `undefined` if the client offered none. */
  readonly alpnProtocol: string | undefined;

  /** The host name that the client asked for (SNI); `undefined` if it asked for none. */
  readonly serverName: string | undefined;

  /** Whether the session was made on an earlier connection. */
  readonly resumed: boolean;

  /** Whether the client has shown a certificate, and it is accepted. */
  readonly authorized: boolean;

  /** Why the client's certificate is not accepted; `undefined` if it is, or if there is none. */
  readonly authorizationError: string | undefined;

  /** The client's certificate; `undefined` if it has shown none. */
  readonly peerCertificate: X509Certificate | undefined;

  /** The client's certificate and those that it has sent behind it. */
  readonly peerCertificates: readonly X509Certificate[];
}
