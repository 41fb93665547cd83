import { ReactorError } from '../errors/errors.js';
import { fieldsOf, ReactorHeaders } from '../fetch/headers.js';

const PROTOCOL = 'sec-websocket-protocol';

/** Fields of the answer that belong to the handshake, or to a body. */
const OF_HANDSHAKE: readonly string[] = [
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-version',
  PROTOCOL,
];

/** The fields of a 101, and the subprotocol among them; empty for none. */
export interface HandshakeAnswer {
  readonly fields: string[];
  readonly protocol: string;
}

/**
 * The fields of the answer to a handshake.
 *
 * @param given as the program gave them
 * @param offer the client's subprotocols, as it sent them; `null` for none
 * @param spoken the server's, the best first; `null` if it takes what the client offers first
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` if the program chooses what was not offered
 */
export function answerHandshake(
  given: unknown,
  offer: string | null,
  spoken: readonly string[] | null,
): HandshakeAnswer {
  const offered = offer === null ? [] : tokens(offer);
  if (given === undefined || given === null) {
    const protocol = choose(offered, spoken);
    return { fields: protocol === '' ? [] : [PROTOCOL, protocol], protocol };
  }
  const all = fieldsOf(
    new ReactorHeaders(given as ConstructorParameters<typeof ReactorHeaders>[0]),
  );
  const fields: string[] = [];
  let chosen: string | undefined;
  for (let i = 0; i < all.length; i += 2) {
    const name = all[i] as string;
    const value = all[i + 1] as string;
    if (name === PROTOCOL) {
      chosen = value;
    } else if (!OF_HANDSHAKE.includes(name)) {
      fields.push(name, value);
    }
  }
  const protocol =
    chosen === undefined ? choose(offered, spoken) : chosenOf(tokens(chosen), offered);
  if (protocol !== '') {
    fields.push(PROTOCOL, protocol);
  }
  return { fields, protocol };
}

function choose(offered: readonly string[], spoken: readonly string[] | null): string {
  const chosen =
    spoken === null ? offered[0] : spoken.find((protocol) => offered.includes(protocol));
  return chosen ?? '';
}

/** Of several the first that the client has offered. A client that offers none gets none. */
function chosenOf(chosen: readonly string[], offered: readonly string[]): string {
  if (chosen.length === 0 || offered.length === 0) {
    return '';
  }
  const protocol = chosen.find((each) => offered.includes(each));
  if (protocol === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `"upgrade" chooses the subprotocol ${list(chosen)}, but the client offers ${list(offered)}, and would close the connection`,
    );
  }
  return protocol;
}

function tokens(value: string): string[] {
  return value
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean);
}

function list(protocols: readonly string[]): string {
  return protocols.map((each) => JSON.stringify(each)).join(', ');
}
