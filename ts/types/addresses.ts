/** An address as Deno tells it. On a unix socket a peer has no path. */
export type DenoAddress =
  | { readonly transport: 'tcp'; readonly hostname: string; readonly port: number }
  | DenoUnixAddress;

/** The path of a unix socket as Deno tells it, which has none of the members of a TCP address. */
export interface DenoUnixAddress {
  readonly transport: 'unix';
  readonly path: string;
  readonly hostname?: undefined;
  readonly port?: undefined;
}

/** An address as a socket of Node's has it. */
export interface NodeAddress {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: 'IPv4' | 'IPv6' | undefined;
}

/** An address as {@link Server.requestIP} tells it. */
export interface PeerAddress {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  /** 0 where a trusted proxy does not tell it. */
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

/** What a {@link Server.url} has of text. */
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
