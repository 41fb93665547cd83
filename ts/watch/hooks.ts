// Runs on Node's thread for hooks, in versions whose hooks do not run in the thread itself.

import type { MessagePort } from 'node:worker_threads';
import { type Resolving, resolving } from './resolving.js';

let seen: Resolving | undefined;

export function initialize({ port }: { port: MessagePort }): void {
  seen = resolving((told) => port.postMessage(told));
}

export async function resolve(
  specifier: string,
  context: { readonly parentURL?: string },
  next: (specifier: string, context: unknown) => Promise<{ readonly url: string }>,
): Promise<{ readonly url: string }> {
  try {
    const found = await next(specifier, context);
    seen?.found(found.url);
    return found;
  } catch (error) {
    seen?.missed(specifier, context.parentURL);
    throw error;
  }
}
