/** What a balancer has said in a header of the PROXY protocol, see {@link HandlerInfo.proxy}. */
export interface ProxyInfo {
  /** The version of the header. */
  readonly version: 1 | 2;

  /**
   * Where the client's connection came from; `null` if the balancer does not say it (`UNKNOWN`,
   * `UNSPEC`). Then the client has no address.
   */
  readonly source: ProxyAddress | null;

  /** Where the client connected to; `null` where `source` is. */
  readonly destination: ProxyAddress | null;

  /** The balancer's own address; `null` on a unix socket. */
  readonly balancer: { readonly address: string; readonly port: number } | null;

  /** The client's TLS, if the balancer says that the client spoke it (PP2_TYPE_SSL). */
  readonly tls: ProxyTlsInfo | undefined;

  /** The protocol that client and balancer have agreed on by ALPN, such as `'h2'`. */
  readonly alpn: string | undefined;

  /** The host name that the client asked for, in TLS by SNI (PP2_TYPE_AUTHORITY). */
  readonly authority: string | undefined;

  /** The balancer's id of the connection, up to 128 bytes. */
  readonly uniqueId: Uint8Array | undefined;

  /** The name of the network namespace. */
  readonly netns: string | undefined;

  /** The id of the VPC endpoint that the client came through, from AWS. */
  readonly vpcEndpoint: string | undefined;

  /** Every field behind the addresses, with the number of its type; empty in version 1. */
  readonly tlvs: readonly { readonly type: number; readonly value: Uint8Array }[];
}

/** An IP address and port, or the path of a unix socket at the balancer; `''` if it has none. */
export type ProxyAddress =
  | { readonly address: string; readonly port: number }
  | { readonly path: string };

/** The TLS between a client and a balancer. Each part is there if the balancer tells it. */
export interface ProxyTlsInfo {
  /** Such as `'TLSv1.3'`. */
  readonly version: string | undefined;

  /** The cipher, by OpenSSL's name. */
  readonly cipher: string | undefined;

  /** Whether the client has shown a certificate, on this connection or earlier in its session. */
  readonly hasCertificate: boolean;

  /** Whether the balancer has verified that certificate. */
  readonly verified: boolean;

  /** The certificate's common name. */
  readonly commonName: string | undefined;

  /** How the balancer's certificate is signed, such as `'RSA-SHA256'`. */
  readonly signatureAlgorithm: string | undefined;

  /** The key of the balancer's certificate, such as `'RSA2048'`. */
  readonly keyAlgorithm: string | undefined;
}
