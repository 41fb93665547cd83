/** An address in Deno's form. A peer on a unix socket has no path. */
export type DenoAddress =
  | { readonly transport: 'tcp'; readonly hostname: string; readonly port: number }
  | DenoUnixAddress;

/** The path of a unix socket in Deno's form. It has none of the members of a TCP address. */
export interface DenoUnixAddress {
  readonly transport: 'unix';
  readonly path: string;
  readonly hostname?: undefined;
  readonly port?: undefined;
}

/** An address in the form of Node's sockets. */
export interface NodeAddress {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: 'IPv4' | 'IPv6' | undefined;
}

/** An address in the form of {@link Server.requestIP}. */
export interface PeerAddress {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  /** 0 if a trusted proxy does not tell it. */
  readonly port: number;
}

/** Where a server listens, with the names of Node and of Deno. */
export type ListenAddress =
  | {
      readonly transport: 'tcp';
      readonly hostname: string;
      readonly port: number;
      /** The same as `hostname`. */
      readonly address: string;
      readonly family: 'IPv4' | 'IPv6';
    }
  | (DenoUnixAddress & { readonly address?: undefined; readonly family?: undefined });

/** The methods of text that {@link Server.url} has. */
export type URLAsText = Pick<
  string,
  | 'at'
  | 'charAt'
  | 'concat'
  | 'endsWith'
  | 'includes'
  | 'indexOf'
  | 'lastIndexOf'
  | 'match'
  | 'replace'
  | 'replaceAll'
  | 'slice'
  | 'split'
  | 'startsWith'
  | 'substring'
  | 'toLowerCase'
  | 'trim'
>;
