import http from 'node:http';

/** The symbol under which a replacement of Node's class keeps the original. */
const GENUINE = Symbol.for('reactor-rs.node.genuine');

type Replaced = typeof http.Server & { [GENUINE]?: typeof http.Server };

/** Node's own class, even if `http.Server` has been replaced. */
export const NodeServer: typeof http.Server = (http.Server as Replaced)[GENUINE] ?? http.Server;

/** Whether `http.Server` has been replaced, by this build of the package or another. */
export function isReplaced(): boolean {
  return GENUINE in http.Server;
}

/** Stores Node's class in its replacement. */
export function keepGenuine(replacement: object): void {
  Object.defineProperty(replacement, GENUINE, { value: NodeServer });
}
