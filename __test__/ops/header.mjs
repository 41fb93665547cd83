// Headers of the PROXY protocol, byte by byte.

/** A line of version 1. */
export const line = (source = '203.0.113.7', from = 56324) =>
  `PROXY ${source.includes(':') ? 'TCP6' : 'TCP4'} ${source} ${source.includes(':') ? '::2' : '192.0.2.2'} ${from} 443\r\n`;

/** A fact of version 2. */
export const tlv = (type, value) => {
  const head = Buffer.alloc(3);
  head[0] = type;
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, Buffer.from(value)]);
};

/** A header of version 2 with these bytes behind its first sixteen. */
export const binary = (command, family, ...parts) => {
  const payload = Buffer.concat(parts);
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n????', 'latin1');
  head[12] = command;
  head[13] = family;
  head.writeUInt16BE(payload.length, 14);
  return Buffer.concat([head, payload]);
};

/** 203.0.113.9:4660 to 192.0.2.2:443. */
export const IPV4 = Buffer.from('cb007109c0000202123401bb', 'hex');

export const LOCAL = binary(0x20, 0);

/** What HAProxy tells of a client over TLS that has shown a certificate. */
export const SSL = tlv(
  0x20,
  Buffer.concat([
    Buffer.from([7, 0, 0, 0, 0]),
    tlv(0x21, 'TLSv1.3'),
    tlv(0x22, 'client.test'),
    tlv(0x23, 'TLS_AES_256_GCM_SHA384'),
    tlv(0x24, 'RSA-SHA256'),
    tlv(0x25, 'RSA2048'),
  ]),
);

/** CRC32c over a header whose checksum is four zero bytes. */
export function withChecksum(command, family, addresses) {
  const header = binary(command, family, addresses, tlv(3, [0, 0, 0, 0]));
  let crc = 0xffffffff;
  for (const byte of header) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    }
  }
  header.writeUInt32BE(~crc >>> 0, header.length - 4);
  return header;
}
