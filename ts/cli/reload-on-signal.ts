import type { Server } from '../types/server.js';
import { hasLostTerminal, reactTo } from './early.js';
import { printable, say } from './output.js';
import * as systemd from './systemd.js';

/**
 * SIGHUP reads the certificates anew, then the module of JavaScript threads. Each that is wrong is
 * told, and does not keep the other back. Returns a function that ends this.
 */
export function reloadOnSignal(
  server: Server,
  hasTls: boolean,
  module: string | undefined,
): () => void {
  const reload = async () => {
    systemd.reloading();
    if (hasTls) {
      try {
        server.reload({ tls: true });
        say('reactor-rs: the certificates were read anew');
      } catch (error) {
        say(`reactor-rs: ${(error as Error).message}; the old certificates stay in use`);
      }
    }
    if (module !== undefined) {
      try {
        await server.reload({ module });
        say(`reactor-rs: ${printable(module)} was loaded anew`);
      } catch (error) {
        say(`reactor-rs: ${(error as Error).message}; the old module stays in use`);
      }
    }
    // A module may have a meaning of its own for it.
    if (!hasTls && module === undefined && process.listenerCount('SIGHUP') === 1) {
      say(
        'reactor-rs: SIGHUP reads nothing anew: there is no certificate, and no module on JavaScript threads; SIGUSR2 starts a successor',
      );
    }
    systemd.ready();
  };
  return reactTo('SIGHUP', () => {
    if (hasLostTerminal()) {
      process.kill(process.pid, 'SIGTERM');
    } else {
      void reload();
    }
  });
}
