/**
 * PEM text, or a file with PEM text. A text that has a line `-----BEGIN` is the PEM text itself;
 * any other text is a path. Bytes are PEM text too. Files are watched, see
 * {@link TlsOptions.watch}.
 */
export type TlsText = string | URL | Uint8Array | ArrayBuffer;

/** A private key with a passphrase of its own, in Node's form. */
export interface TlsEncryptedKey {
  /** As {@link TlsText}. */
  readonly pem: TlsText;
  /** The passphrase of this key. Without it {@link TlsOptions.passphrase} counts. */
  readonly passphrase?: string | undefined;
}

/** Several ticket keys, or one; each has 48 bytes. */
export type TlsTicketKeys = Uint8Array | readonly Uint8Array[];

/**
 * Says what serves a host name, in Node's form with a callback, or by what it returns. An options
 * object is checked once, so return the same one for the same name. Nothing (`undefined`, `null`) is
 * the listener's own certificate, and an error refuses the client. A function that takes the name
 * only answers by what it returns; any other may return `undefined` and call the callback later.
 */
export type SNICallback = (
  serverName: string,
  callback: (error: Error | null, context?: TlsOptions | null | undefined) => void,
) => // biome-ignore lint/suspicious/noConfusingVoidType: Node's form returns nothing
TlsOptions | Promise<TlsOptions | null | undefined> | null | undefined | void;

/**
 * How a listener is secured with TLS, for one host name or several. Names and shapes are those of
 * Node's `https.createServer`.
 */
export interface TlsOptions {
  /**
   * The certificate, followed by those that signed it, without the root. PEM text, bytes, a path, or
   * a `file:` URL. Several are for keys of different kinds, such as ECDSA and RSA.
   */
  cert?: TlsText | readonly TlsText[] | undefined;

  /**
   * The private key of each certificate, in any order: RSA of 2048 to 4096 bits, P-256, P-384 or
   * Ed25519. As `cert`, or `{ pem, passphrase }` for an encrypted one.
   */
  key?: TlsText | TlsEncryptedKey | readonly (TlsText | TlsEncryptedKey)[] | undefined;

  /** The passphrase of encrypted keys. The command takes it from `REACTOR_TLS_PASSPHRASE`. */
  passphrase?: string | undefined;

  /** Certificates of the authorities that may sign clients' certificates. As `cert`. */
  ca?: TlsText | readonly TlsText[] | undefined;

  /**
   * Revocation lists of clients' certificates. As `cert`. If there is one, each authority of a chain
   * needs one, and it must be in date.
   */
  crl?: TlsText | readonly TlsText[] | undefined;

  /**
   * Whether clients are asked for a certificate. `ca` alone does not ask them.
   * @default false
   */
  requestCert?: boolean | undefined;

  /**
   * With `requestCert`, whether a client without an accepted certificate is refused. If not, every
   * client is served, and `info.tls.authorized` tells about it.
   * @default true
   */
  rejectUnauthorized?: boolean | undefined;

  /**
   * The host names that this entry is for, each exact or with a wildcard as its first label, such as
   * `'*.example.com'`. Without it the names of the certificate count, and the first entry without it
   * is the default.
   */
  serverName?: string | readonly string[] | undefined;

  /**
   * What a client gets that asks for a name which no entry is for: the default entry, or the alert
   * `unrecognized_name`. It counts for the whole listener.
   * @default 'default'
   */
  unknownName?: 'default' | 'refuse' | undefined;

  /**
   * Is asked in each handshake what serves the name that the client wants. It may answer later; the
   * handshake waits for it within `handshakeTimeout`. Clients that want no name get the default. It
   * counts for the whole listener.
   *
   * @example
   * SNICallback: async (name) => (await tenantOf(name))?.tls
   */
  SNICallback?: SNICallback | undefined;

  /**
   * The oldest version of TLS. The newest is always `'TLSv1.3'`.
   * @default 'TLSv1.2'
   */
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;

  /**
   * Cipher suites with colons between, the best first, by the names of OpenSSL or of the standard. A
   * list without suites of TLS 1.3 says nothing about those. By default all nine that are strong,
   * AES-128-GCM first.
   */
  ciphers?: string | undefined;

  /**
   * Whether the server's order of `ciphers` counts, and not the client's.
   * @default true
   */
  honorCipherOrder?: boolean | undefined;

  /**
   * Protocols for ALPN, the best first. A client that offers others only is refused. An empty list
   * turns ALPN off. By default those of `http2` and `http1` that are on; what is off is an error here.
   * @default ['h2', 'http/1.1']
   */
  ALPNProtocols?: readonly (string | Uint8Array)[] | Uint8Array | undefined;

  /**
   * Keys of 48 random bytes for session tickets. The first one encrypts, all decrypt. Processes with
   * the same keys resume each other's sessions. It counts for the whole listener. By default the
   * server makes keys itself and replaces them every six hours.
   */
  ticketKeys?: TlsTicketKeys | undefined;

  /**
   * Seconds after which a session can no longer be resumed, 1 to 604800. It counts for the whole
   * listener.
   * @default 7200
   */
  sessionTimeout?: number | undefined;

  /**
   * Milliseconds for a handshake, 1 to 86400000; then the connection is closed. It counts for the
   * whole listener.
   * @default 10000
   */
  handshakeTimeout?: number | undefined;

  /**
   * Whether files are watched, and read again when they change. New connections then get the new
   * certificate. One that is wrong is not used: the old one stays, and a warning says why. It counts
   * for the whole listener.
   * @default true
   */
  watch?: boolean | undefined;
}
