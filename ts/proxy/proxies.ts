import { BlockList, isIP } from 'node:net';
import type { FieldSource } from '../fetch/field-list.js';
import type { TrustProxy } from '../types/options.js';
import { canonical, forwardedOf, MOST_HOPS, nodeOf } from './forwarded.js';

/** Where a request came from, and what it asked for, before any trusted proxy. */
export interface Origin {
  /** `undefined` on a unix socket. */
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly scheme: 'http' | 'https';
  /** `null` if the request's own host counts. */
  readonly host: string | null;
}

/** The allowed values of the option; completes "must be …". */
export const TRUST_PROXY = `true, false, a number of proxies from 0 to ${MOST_HOPS}, or IP addresses, CIDR ranges and the names "loopback", "private" and "unix"`;

/**
 * The trusted proxies, whose word about a request's origin is taken.
 *
 * The chain of addresses is followed from the server on. It ends at the first address that is not
 * trusted, because that sender may lie.
 */
export class Proxies {
  /** The trusted peers in the engine's form: `*` for all, `unix`, and ranges as `address/bits`. */
  readonly peers: readonly string[];
  /** One proxy is trusted, whatever its address. */
  readonly isOne: boolean;
  readonly #trusts: (address: string | undefined, hop: number) => boolean;
  #lastPeer: string | undefined = undefined;
  #isLastTrusted: boolean;

  private constructor(
    peers: readonly string[],
    trusts: (address: string | undefined, hop: number) => boolean,
    isOne = false,
  ) {
    this.peers = peers;
    this.isOne = isOne;
    this.#trusts = trusts;
    this.#isLastTrusted = trusts(undefined, 0);
  }

  /**
   * `null` if no proxy is trusted.
   * @throws {RangeError} for a value that {@link TRUST_PROXY} does not allow
   */
  static from(value: TrustProxy): Proxies | null {
    if (typeof value === 'boolean') {
      return value ? new Proxies(['*'], () => true) : null;
    }
    if (typeof value === 'number') {
      if (!Number.isInteger(value) || value < 0 || value > MOST_HOPS) {
        throw new RangeError(`${value} is no number of proxies`);
      }
      // The peer on a unix socket counts as the first proxy, though it has no address.
      return value === 0
        ? null
        : new Proxies(
            ['*'],
            (address, hop) => hop < value && (hop === 0 || address !== undefined),
            value === 1,
          );
    }
    const given = typeof value === 'string' ? value.split(',') : value;
    if (!Array.isArray(given)) {
      throw new RangeError(`${given} is no list`);
    }
    return listed(given, (peers, trusts) => new Proxies(peers, trusts));
  }

  /**
   * @param address of the direct peer; `undefined` on a unix socket
   * @param own scheme of the connection, which counts if no proxy tells another
   * @param before how many proxies have told the peer: 1 if the PROXY protocol has
   */
  originOf(
    fields: FieldSource,
    address: string | undefined,
    port: number | undefined,
    own: Origin['scheme'],
    before = 0,
  ): Origin {
    if (before === 0 ? !this.#trustsPeer(address) : !this.#trusts(address, before)) {
      return { address, port, scheme: own, host: null };
    }
    const forwarded = forwardedOf(fields);
    let client = { address, port };
    let hop = 0;
    for (const [index, text] of forwarded.nodes.entries()) {
      hop = index;
      const node = nodeOf(text);
      // The chain breaks off here. Its last known address is the answer.
      if (node === null) {
        break;
      }
      client = { address: node.address, port: node.port };
      if (!this.#trusts(node.address, index + before + 1)) {
        break;
      }
    }
    const told = forwarded.scheme(hop)?.toLowerCase();
    const scheme = told === 'https' || told === 'http' ? told : own;
    const host = forwarded.host(hop);
    return { ...client, scheme, host: host !== undefined && isHost(host) ? host : null };
  }

  /** Remembers the last peer: requests often come in runs from one proxy. */
  #trustsPeer(address: string | undefined): boolean {
    if (address !== this.#lastPeer) {
      this.#lastPeer = address;
      this.#isLastTrusted = this.#trusts(address, 0);
    }
    return this.#isLastTrusted;
  }
}

/** RFC 1918, RFC 4193. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];

const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: PRIVATE,
};

function listed(
  given: readonly unknown[],
  make: (peers: readonly string[], trusts: (address: string | undefined) => boolean) => Proxies,
): Proxies {
  const peers: string[] = [];
  // Two lists: in a single one `::/0` would include IPv4.
  const ipv4 = new BlockList();
  const ipv6 = new BlockList();
  let hasUnix = false;
  if (given.length === 0) {
    throw new RangeError('an empty list');
  }
  for (const entry of given) {
    if (typeof entry !== 'string') {
      throw new RangeError(`${entry} is no address`);
    }
    const name = entry.trim();
    if (name === 'unix') {
      hasUnix = true;
      peers.push(name);
      continue;
    }
    for (const range of Object.hasOwn(NAMED, name) ? (NAMED[name] ?? []) : [name]) {
      const [address, prefix] = parseRange(range);
      peers.push(`${address}/${prefix}`);
      if (address.includes(':')) {
        ipv6.addSubnet(address, prefix, 'ipv6');
      } else {
        ipv4.addSubnet(address, prefix, 'ipv4');
      }
    }
  }
  return make(peers, (address) => {
    if (address === undefined) {
      return hasUnix;
    }
    return address.includes(':') ? ipv6.check(address, 'ipv6') : ipv4.check(address, 'ipv4');
  });
}

/** How many bits longer an IPv4 address is in its IPv6 form. */
const MAPPED_BITS = 96;

function parseRange(range: string): readonly [address: string, prefix: number] {
  const [, text = '', bits] = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i.exec(range) ?? [];
  const family = isIP(text);
  if (family === 0) {
    throw new RangeError(`${range} is no address`);
  }
  const address = family === 6 ? canonical(text) : text;
  const width = family === 6 ? 128 : 32;
  const given = bits === undefined ? width : Number(bits);
  const prefix = family === 6 && !address.includes(':') ? given - MAPPED_BITS : given;
  if (given > width || prefix < 0) {
    throw new RangeError(`${range} has no such prefix`);
  }
  return [address, prefix];
}

/** Whether it is a name or address with an optional port, and no other part of a URL. */
function isHost(text: string): boolean {
  return (
    /^(?:\[[0-9a-f:.]{2,45}\]|[\w.-]{1,253})(?::\d{1,5})?$/i.test(text) &&
    URL.canParse(`http://${text}/`)
  );
}
