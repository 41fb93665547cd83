import http from 'node:http';

/** Where the class that `register` has put in the place of Node's keeps Node's. */
const GENUINE = Symbol.for('reactor-rs.node.genuine');

type Replaced = typeof http.Server & { [GENUINE]?: typeof http.Server };

/** Node's own class, whatever `http.Server` is by now. */
export const NodeServer: typeof http.Server = (http.Server as Replaced)[GENUINE] ?? http.Server;

/** Whether `register` has been there, in this build of the package or in another. */
export function isReplaced(): boolean {
  return GENUINE in http.Server;
}

/** Notes in what takes the place of Node's class where that is. */
export function keepGenuine(replacement: object): void {
  Object.defineProperty(replacement, GENUINE, { value: NodeServer });
}
