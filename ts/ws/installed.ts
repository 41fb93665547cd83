import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ReactorError } from '../errors/errors.js';

/** The package `ws`, as far as it is used here. */
interface Ws {
  WebSocket: new (address: string | URL, protocols?: unknown, options?: unknown) => object;
  WebSocketServer: new (
    options: object,
  ) => {
    handleUpgrade(...given: unknown[]): void;
    on(event: string, listener: (...given: unknown[]) => void): void;
  };
}

let found: Ws | null | undefined;

/** The `ws` of the program, if it is installed. */
export function installedWs(): Ws | null {
  if (found === undefined) {
    found = null;
    for (const from of [process.argv[1], join(process.cwd(), 'index.js')]) {
      try {
        found ??= from === undefined ? null : (createRequire(from)('ws') as Ws);
      } catch {
        // Not from there.
      }
    }
  }
  return found;
}

/**
 * A client: of `ws`, which has options and events of Node, or else Node's own.
 * @throws {ReactorError} `ERR_REACTOR_UNSUPPORTED`
 */
export function newClient(address: string | URL, protocols: unknown, options: unknown): object {
  const ws = installedWs();
  if (ws !== null) {
    return new ws.WebSocket(address, protocols, options);
  }
  const { WebSocket: Own } = globalThis as { WebSocket?: Ws['WebSocket'] };
  if (Own === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_UNSUPPORTED',
      'reactor-rs/ws has no client of its own, and this Node has none: install "ws"',
    );
  }
  return new Own(address, protocols ?? []);
}
