import http, { type IncomingMessage } from 'node:http';
import { type NodeOutgoing, symbolOf } from './internals.js';

/** The classes of a server's requests and responses, and their options. */
export interface MessageOptions {
  readonly IncomingMessage: typeof IncomingMessage;
  /** Node's types lack the second argument. */
  readonly ServerResponse: new (
    req: IncomingMessage,
    options: object,
  ) => NodeOutgoing;
  /** Have the prototypes of the objects to be made, if these are not those of the classes. */
  readonly requestTarget: NewTarget | null;
  readonly responseTarget: NewTarget | null;
  readonly joinDuplicateHeaders: boolean;
  /** Whether a request may change its protocol; `null`: if the server listens for 'upgrade'. */
  readonly shouldUpgrade: ((req: IncomingMessage) => unknown) | null;
  readonly rejectNonStandardBodyWrites: boolean;
  /** Node's symbol for the names of fields that must be unique, and these names. */
  readonly uniqueHeaders: readonly [symbol, unknown] | null;
}

/** The option `shouldUpgradeCallback`, where this Node has it. */
function shouldUpgradeOf(server: object, options: object): MessageOptions['shouldUpgrade'] {
  const isKnown = 'shouldUpgradeCallback' in server && 'shouldUpgradeCallback' in options;
  return isKnown
    ? ((options.shouldUpgradeCallback as MessageOptions['shouldUpgrade']) ?? null)
    : null;
}

/** The last argument of `Reflect.construct`. */
export type NewTarget = new (...given: never[]) => object;

/** Those of a server's options. */
export function messageOptions(server: object, node: http.ServerOptions): MessageOptions {
  return {
    IncomingMessage: node.IncomingMessage ?? http.IncomingMessage,
    ServerResponse: (node.ServerResponse ??
      http.ServerResponse) as unknown as MessageOptions['ServerResponse'],
    requestTarget: null,
    responseTarget: null,
    joinDuplicateHeaders: node.joinDuplicateHeaders ?? false,
    shouldUpgrade: shouldUpgradeOf(server, node),
    rejectNonStandardBodyWrites: node.rejectNonStandardBodyWrites ?? false,
    uniqueHeaders: node.uniqueHeaders == null ? null : uniqueHeadersOf(server),
  };
}

/** The option `uniqueHeaders` as Node keeps it. */
function uniqueHeadersOf(server: object): readonly [symbol, unknown] {
  const symbol = symbolOf(server, 'kUniqueHeaders');
  return [symbol, (server as Record<symbol, unknown>)[symbol]];
}
