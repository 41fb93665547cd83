import { closeSync, openSync } from 'node:fs';
import type { Server } from '../types/server.js';
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
  const hasTerminal = process.stdin.isTTY === true;
  const onSignal = () => {
    if (hasTerminal && isHungUp()) {
      // Its user has closed the terminal, and means the end.
      process.kill(process.pid, 'SIGTERM');
      return;
    }
    void reload();
  };
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
    systemd.ready();
  };
  process.on('SIGHUP', onSignal);
  return () => process.off('SIGHUP', onSignal);
}

/** Whether the terminal of this process is gone. */
function isHungUp(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}
