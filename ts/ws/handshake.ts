import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Why a request is no handshake, as `ws` answers it. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Refuses what is no handshake of RFC 6455 §4.2.1; `null` if it is one. */
export function refusalOf(req: IncomingMessage): Refusal | null {
  const { upgrade } = req.headers;
  if (req.method !== 'GET') {
    return { status: 405, message: 'Invalid HTTP method' };
  }
  if (upgrade === undefined || upgrade.toLowerCase() !== 'websocket') {
    return { status: 400, message: 'Invalid Upgrade header' };
  }
  if (!KEY.test(req.headers['sec-websocket-key'] ?? '')) {
    return { status: 400, message: 'Missing or invalid Sec-WebSocket-Key header' };
  }
  if (req.headers['sec-websocket-version']?.trim() !== '13') {
    return {
      status: 400,
      message: 'Missing or invalid Sec-WebSocket-Version header',
      headers: { 'Sec-WebSocket-Version': '13' },
    };
  }
  return null;
}

/** The subprotocols that a client offers; `null` if the field is malformed. */
export function protocolsOf(req: IncomingMessage): Set<string> | null {
  const field = req.headers['sec-websocket-protocol'];
  if (field === undefined) {
    return new Set();
  }
  const names = field.split(',').map((name) => name.trim());
  const protocols = new Set(names);
  return protocols.size === names.length && names.every((name) => TOKEN.test(name))
    ? protocols
    : null;
}

/** Whether the engine takes one of a client's offers to compress, as `negotiate` of its codec does. */
export function agreesToDeflate(req: IncomingMessage): boolean {
  return (req.headers['sec-websocket-extensions'] ?? '').split(',').some(isTaken);
}

function isTaken(offer: string): boolean {
  const [name, ...parameters] = offer.split(';').map((each) => each.trim());
  const said = parameters.map((each) => each.split('=', 1)[0]?.trim());
  return (
    name === 'permessage-deflate' &&
    new Set(said).size === said.length &&
    parameters.every((each) => PARAMETER.test(each))
  );
}

/** RFC 7692 §7.1. No zlib has a window of 8 bits for what is sent. */
const PARAMETER =
  /^(?:(?:server|client)_no_context_takeover|server_max_window_bits\s*=\s*("?)(?:9|1[0-5])\1|client_max_window_bits(?:\s*=\s*("?)(?:[89]|1[0-5])\2)?)$/;

/** The lines of the 101 that listeners of 'headers' see, and may add to. */
export function linesOf(req: IncomingMessage, protocol: string): string[] {
  const key = req.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...(protocol === '' ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
}

/** Fields of the handshake that the engine sends itself. */
const OF_THE_ENGINE: readonly string[] = [
  ...['upgrade', 'connection', 'sec-websocket-accept', 'sec-websocket-extensions'],
];

/** Names and values in turn of the lines that the engine does not send by itself. */
export function fieldsOf(lines: readonly string[]): string[] {
  const fields: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).trim();
    if (name !== '' && !OF_THE_ENGINE.includes(name.toLowerCase())) {
      fields.push(name, line.slice(colon + 1).trim());
    }
  }
  return fields;
}
