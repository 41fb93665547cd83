import { closeSync, openSync, writeSync } from 'node:fs';

// Loaded before all else, and imports nothing that Node has not loaded: until `hear` is called, these
// signals end the process.

/** Signals that mean something to a process that serves, and end one that does not listen for them. */
const MEANINGS = {
  SIGHUP: 'reads nothing anew',
  SIGUSR2: 'starts no successor',
} as const;

type Meant = keyof typeof MEANINGS;

/** What they do now. */
const reactions = new Map<Meant, () => void>();
let isHearing = false;
/** Whether standard input is a terminal. Once that is closed, it cannot be asked for any more. */
let hasTerminal = false;

/** From here on none of these signals ends this process, unless it loses its terminal. */
export function hear(): void {
  if (!isHearing) {
    isHearing = true;
    for (const signal of Object.keys(MEANINGS) as Meant[]) {
      process.on(signal, () => onSignal(signal));
    }
    // Only now: it takes milliseconds to load.
    void import('node:tty').then(({ isatty }) => {
      hasTerminal = isatty(0);
    });
  }
}

/**
 * What a signal does from now on. Returns a function that ends this: then it is told that the signal
 * does nothing.
 */
export function reactTo(signal: Meant, reaction: () => void): () => void {
  hear();
  reactions.set(signal, reaction);
  return () => {
    if (reactions.get(signal) === reaction) {
      reactions.delete(signal);
    }
  };
}

/** Whether a hang-up comes because the user has closed the terminal, and means the end. */
export function hasLostTerminal(): boolean {
  if (!hasTerminal) {
    return false;
  }
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}

function onSignal(signal: Meant): void {
  const reaction = reactions.get(signal);
  if (reaction !== undefined) {
    reaction();
  } else if (signal === 'SIGHUP' && hasLostTerminal()) {
    process.kill(process.pid, 'SIGTERM');
  } else {
    try {
      const line = `reactor-rs: ${signal} ${MEANINGS[signal]}: this process does not serve yet\n`;
      writeSync(2, line);
    } catch {
      // Its reader has left.
    }
  }
}
