import type { HandlerEntry } from '../lane/handlers.js';
import type { DevelopmentState } from './messages.js';

/**
 * What `reactor-rs serve --watch` adds to JavaScript threads, seen from the main thread. Without it
 * the threads load none of its code.
 */
export interface Development {
  /** The URL of the module that each thread imports before the program's; it exports `develop`. */
  readonly entry: string;
  /** What the first threads show. */
  readonly state: DevelopmentState;
  /** Called once, before the first thread starts. */
  begin(controls: DevelopmentControls): void;
  /**
   * The code in a thread has told something.
   * @param version counts the generations of threads from 1
   */
  hear(version: number, told: unknown): void;
  /**
   * The first thread of a newer generation has loaded the module, which has these settings.
   * @throws to refuse it
   */
  check(settings: Readonly<Record<string, unknown>>): void;
}

/** What `--watch` does with the threads of a server. */
export interface DevelopmentControls {
  /** Gives up the generation that is loading, if one is: its start or reload rejects. */
  abandon(): void;
  /** Sets what the threads show from now on, until the next generation takes over. */
  show(state: DevelopmentState): void;
}

/** The same, seen from a thread. */
export interface ThreadDevelopment {
  /** The module's options, with what is added for development. */
  adapt(exported: Record<string, unknown>): Record<string, unknown>;
  /** The handler to call in place of this one. */
  wrap(entry: HandlerEntry): HandlerEntry;
  /** The module cannot be loaded. */
  failed(error: unknown): void;
  show(state: DevelopmentState): void;
}

/** What the module of {@link Development.entry} exports. */
export interface DevelopmentEntry {
  /**
   * @param version of the generation
   * @param tell sends something to {@link Development.hear}
   */
  develop(
    version: number,
    tell: (told: unknown, transfer?: readonly unknown[]) => void,
  ): ThreadDevelopment;
}
