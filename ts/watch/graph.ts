import nodeModule from 'node:module';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type Resolving, resolving } from './resolving.js';
import type { Told } from './told.js';

/** The hooks of Node 22.15 and newer; its types here are of Node 20. */
interface SyncHooks {
  registerHooks?(hooks: {
    resolve(
      specifier: string,
      context: { readonly parentURL?: string },
      next: (specifier: string, context: unknown) => { readonly url: string },
    ): { readonly url: string };
  }): void;
}

/** The part of Node's CommonJS loader that finds files, which tools replace since ever. */
interface CommonJs {
  _resolveFilename(
    request: string,
    parent: { filename?: string } | null,
    ...rest: unknown[]
  ): string;
}

/** Tells every file that this thread loads from now on: of both kinds of modules. */
export function followGraph(tell: (told: Told, transfer?: readonly MessagePort[]) => void): void {
  const seen = resolving(tell);
  const { registerHooks } = nodeModule as SyncHooks;
  if (registerHooks !== undefined) {
    registerHooks({
      resolve(specifier, context, next) {
        try {
          const found = next(specifier, context);
          seen.found(found.url);
          return found;
        } catch (error) {
          seen.missed(specifier, context.parentURL);
          throw error;
        }
      },
    });
    return;
  }
  followImports(tell);
  followRequires(seen);
}

/**
 * Hooks for imports, on Node's thread for hooks. It tells the main thread itself: this thread may be
 * busy, and may end before it has passed something on.
 */
function followImports(tell: (told: Told, transfer?: readonly MessagePort[]) => void): void {
  const { port1, port2 } = new MessageChannel();
  tell({ kind: 'port', port: port1 }, [port1]);
  nodeModule.register('./hooks.js', {
    parentURL: import.meta.url,
    data: { port: port2 },
    transferList: [port2],
  });
}

function followRequires(seen: Resolving): void {
  const loader = nodeModule as unknown as CommonJs;
  const before = loader._resolveFilename;
  loader._resolveFilename = function resolveFilename(request, parent, ...rest) {
    try {
      const found = before.call(this, request, parent, ...rest);
      seen.found(found);
      return found;
    } catch (error) {
      seen.missed(request, parent?.filename);
      throw error;
    }
  };
}
