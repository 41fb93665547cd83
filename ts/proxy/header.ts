import type { ProxyAddress, ProxyInfo, ProxyTlsInfo } from '../types/proxy.js';
import { canonical, nodeOf } from './forwarded.js';

export type { ProxyInfo };

/**
 * What the engine tells of a connection that began with a header of the PROXY protocol: the header as
 * it came, whose form was checked, and behind it the balancer's address as text. On a unix socket
 * there is none.
 */
export type ProxyFacts = Uint8Array;

/** Where the facts of version 2 begin, behind the addresses of each family. */
const FACTS = [16, 28, 52, 232];

const ALPN = 0x01;
const AUTHORITY = 0x02;
const UNIQUE_ID = 0x05;
const SSL = 0x20;
const SSL_VERSION = 0x21;
const SSL_CN = 0x22;
const SSL_CIPHER = 0x23;
const SSL_SIG_ALG = 0x24;
const SSL_KEY_ALG = 0x25;
const NETNS = 0x30;
const AWS = 0xea;
/** Of {@link AWS}: the id of a VPC endpoint. */
const AWS_VPC_ENDPOINT = 0x01;

const CLIENT_SSL = 1;
/** The client has shown a certificate: on the connection, or earlier in the session. */
const CLIENT_CERT = 2 | 4;

/** What a handler gets of a header. */
export function proxyInfoOf(facts: ProxyFacts): ProxyInfo {
  const all = Buffer.from(facts.buffer, facts.byteOffset, facts.length);
  const isText = all[0] === 0x50;
  const end = isText ? all.indexOf('\n') + 1 : 16 + all.readUInt16BE(14);
  const bytes = all.subarray(0, end);
  const node = nodeOf(all.toString('latin1', end));
  const balancer = node && { address: node.address, port: node.port ?? 0 };
  const [source, destination] = isText ? ofText(bytes.toString('latin1')) : ofBytes(bytes);
  const tlvs = isText ? [] : tlvsOf(bytes.subarray(FACTS[family(bytes)]));
  const value = (type: number) => tlvs.find((tlv) => tlv.type === type)?.value;
  const text = (type: number) => value(type)?.toString();
  const aws = value(AWS);
  return {
    version: isText ? 1 : 2,
    source,
    destination,
    balancer,
    tls: tlsOf(value(SSL)),
    alpn: text(ALPN),
    authority: text(AUTHORITY),
    uniqueId: value(UNIQUE_ID),
    netns: text(NETNS),
    vpcEndpoint: aws?.[0] === AWS_VPC_ENDPOINT ? aws.toString('utf8', 1) : undefined,
    tlvs,
  };
}

type Addresses = readonly [source: ProxyAddress | null, destination: ProxyAddress | null];

function ofText(line: string): Addresses {
  const [, kind, source = '', destination = '', from, to] = line.trimEnd().split(' ');
  if (kind === 'UNKNOWN') {
    return [null, null];
  }
  return [
    { address: shown(source), port: Number(from) },
    { address: shown(destination), port: Number(to) },
  ];
}

function ofBytes(bytes: Buffer): Addresses {
  // Addresses of no transport say nothing.
  if (((bytes[13] as number) & 15) === 0) {
    return [null, null];
  }
  switch (family(bytes)) {
    case 1:
      return inet(bytes, 4, (ip) => ip.join('.'));
    case 2:
      return inet(bytes, 16, (ip) => shown((ip.toString('hex').match(/..../g) ?? []).join(':')));
    case 3:
      return [pathAt(bytes, 16), pathAt(bytes, 124)];
    default:
      return [null, null];
  }
}

function family(bytes: Buffer): number {
  return (bytes[13] as number) >> 4;
}

function inet(bytes: Buffer, length: number, text: (ip: Buffer) => string): Addresses {
  const at = (index: number): ProxyAddress => {
    const start = 16 + index * length;
    const address = text(bytes.subarray(start, start + length));
    return { address, port: bytes.readUInt16BE(16 + 2 * length + 2 * index) };
  };
  return [at(0), at(1)];
}

/** An IPv4 address in its IPv6 form becomes IPv4, as for peers. */
function shown(address: string): string {
  return address.includes(':') ? canonical(address) : address;
}

/** The path of a unix socket; an abstract name begins with a zero byte. */
function pathAt(bytes: Buffer, start: number): ProxyAddress {
  const path = bytes.toString('utf8', start, start + 108);
  const end = path.indexOf('\0', 1);
  return { path: end < 0 ? path : path.slice(0, path[0] === '\0' && end === 1 ? 0 : end) };
}

interface Tlv {
  readonly type: number;
  readonly value: Buffer;
}

/** Stops at what is none: behind an unspecified family may be anything. */
function tlvsOf(bytes: Buffer): Tlv[] {
  const tlvs: Tlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 3 + (at + 3 <= bytes.length ? bytes.readUInt16BE(at + 1) : bytes.length);
    if (end > bytes.length) {
      return [];
    }
    tlvs.push({ type: bytes[at] as number, value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return tlvs;
}

function tlsOf(ssl: Buffer | undefined): ProxyTlsInfo | undefined {
  const flags = ssl?.[0] ?? 0;
  if (ssl === undefined || (flags & CLIENT_SSL) === 0) {
    return undefined;
  }
  const inner = tlvsOf(ssl.subarray(5));
  const text = (type: number) => inner.find((tlv) => tlv.type === type)?.value.toString();
  const hasCertificate = (flags & CLIENT_CERT) !== 0;
  return {
    version: text(SSL_VERSION),
    cipher: text(SSL_CIPHER),
    hasCertificate,
    verified: hasCertificate && ssl.readUInt32BE(1) === 0,
    commonName: text(SSL_CN),
    signatureAlgorithm: text(SSL_SIG_ALG),
    keyAlgorithm: text(SSL_KEY_ALG),
  };
}
