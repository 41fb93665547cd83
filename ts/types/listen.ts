import type { TlsOptions } from './tls.js';

/** One place where a server listens, see {@link ServeOptions.listen}. */
export interface ListenOptions {
  /**
   * TCP port, 0 to 65535, also as text. With 0 the kernel chooses a free one.
   * @default 8080
   */
  port?: number | string | undefined;

  /**
   * Host name or IP address, as {@link ServeOptions.hostname}.
   * @default '::'
   */
  hostname?: string | undefined;

  /** The same as {@link hostname}. */
  host?: string | undefined;

  /** Path of a unix socket, as {@link ServeOptions.unix}. */
  unix?: string | undefined;

  /** Permissions of its file, as {@link ServeOptions.unixMode}. */
  unixMode?: number | string | undefined;

  /**
   * As {@link ServeOptions.ipv6Only}.
   * @default false
   */
  ipv6Only?: boolean | undefined;

  /** Descriptor of a socket that the process has inherited, as {@link ServeOptions.fd}. */
  fd?: number | undefined;

  /**
   * As {@link ServeOptions.reusePort}.
   * @default false
   */
  reusePort?: boolean | undefined;

  /**
   * How connections are secured. `true` takes {@link ServeOptions.tls}.
   * @default false
   */
  tls?: boolean | TlsOptions | readonly TlsOptions[] | undefined;

  /**
   * Answers every request with a redirect (308) to the same host and path over `https:`. `true` is
   * the port of the first listener with TLS. A number is that port, for a server behind another
   * port. Paths below `/.well-known/acme-challenge/` are served, since certificate authorities ask
   * for them in clear.
   * @default false
   */
  redirectToTls?: boolean | number | undefined;

  /**
   * As {@link ServeOptions.proxyProtocol}; `false` for a listener that is not behind the balancer.
   * @default that of `ServeOptions.proxyProtocol`
   */
  proxyProtocol?: ProxyProtocol | undefined;
}

/** The values of {@link ListenOptions.proxyProtocol}. */
export type ProxyProtocol = 'required' | 'optional' | false;

/**
 * A place to listen at: options; a port; or text such as `'80'`, `'0.0.0.0:80'`, `'[::1]:80'`,
 * `'https://:443'` for TLS with {@link ServeOptions.tls}, `'unix:/run/app.sock'`, or `'fd:3'` for an
 * inherited socket.
 */
export type ListenEntry = ListenOptions | number | string;
