import { closeSync, openSync } from 'node:fs';
import type { Server } from '../types/server.js';
import { printable, say } from './output.js';
import * as systemd from './systemd.js';

/** What SIGHUP reads anew; `undefined` while this process does not serve. */
let reload: (() => Promise<void>) | undefined;
let hasTerminal = false;

/** From here on SIGHUP does not end this process, unless it loses its terminal. */
export function hearHangUp(): void {
  hasTerminal = process.stdin.isTTY === true;
  process.on('SIGHUP', onHangUp);
}

/**
 * SIGHUP reads the certificates anew, then the module of JavaScript threads. Each that is wrong is
 * told, and does not keep the other back. Returns a function that ends this.
 */
export function reloadOnSignal(
  server: Server,
  hasTls: boolean,
  module: string | undefined,
): () => void {
  const own = async () => {
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
  reload = own;
  return () => {
    if (reload === own) {
      reload = undefined;
    }
  };
}

function onHangUp(): void {
  if (hasTerminal && isHungUp()) {
    // Its user has closed the terminal, and means the end.
    process.kill(process.pid, 'SIGTERM');
  } else if (reload === undefined) {
    say('reactor-rs: SIGHUP reads nothing anew: this process does not serve yet');
  } else {
    void reload();
  }
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
