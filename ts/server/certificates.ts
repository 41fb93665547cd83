import { createHash } from 'node:crypto';
import { binding, type NativeServer, type NativeTls } from '../binding/binding.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import { type ResolvedTls, resolveTls } from '../options/tls.js';
import { HTTP_1 } from '../options/versions.js';
import { FileWatcher } from './file-watcher.js';
import { Names } from './names.js';

/** A listener with TLS, and what it has been given. */
interface Secured {
  readonly endpoint: number;
  /** From the options of `serve`; listeners that share it are reloaded together. */
  readonly origin: ResolvedTls;
  /** What it has now. */
  current: ResolvedTls;
}

/** What is asked for names, by the settings that ask. */
export type NamesByTls = ReadonlyMap<ResolvedTls | null, Names>;

/** What is asked for names, for settings that a server is about to start with. */
export function namesOf(tls: readonly (ResolvedTls | null)[]): NamesByTls {
  const names = new Map<ResolvedTls | null, Names>();
  for (const one of tls) {
    if (one !== null && one.sni !== null && !names.has(one)) {
      names.set(one, new Names(one.sni, one.versions));
    }
  }
  return names;
}

/** How long a file may disagree with another, in milliseconds, before that is an error. */
const GRACE_MS = 1000;

/**
 * The certificates of a running server. They are read again when their files change, and when the
 * program asks. One that is wrong is not used; the old one stays.
 */
export class Certificates {
  readonly #native: NativeServer;
  readonly #all: readonly Secured[];
  readonly #names: NamesByTls;
  #watcher: FileWatcher | null = null;
  /** What was wrong with the files, so that it is told once. */
  #lastFailure = '';
  #again: NodeJS.Timeout | undefined;

  constructor(native: NativeServer, tls: readonly (ResolvedTls | null)[], names: NamesByTls) {
    this.#native = native;
    this.#names = names;
    this.#all = tls.flatMap((one, endpoint) =>
      one === null ? [] : [{ endpoint, origin: one, current: one }],
    );
    const warnings = this.#all.flatMap(({ endpoint }) => native.tlsWarnings(endpoint));
    for (const warning of new Set(warnings)) {
      warn(warning);
    }
    this.#watch();
  }

  /** Whether there are any. */
  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  get #files(): string[] {
    return [...new Set(this.#all.flatMap(({ current }) => current.files))];
  }

  /**
   * Replaces what listeners have been given, or with `true` reads it again.
   * @param given as the option `tls`
   * @throws {ReactorError} and then nothing has changed
   */
  reload(given: unknown): void {
    if (this.isEmpty) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        'option "tls" of reload is for a server with TLS: no listener has it',
      );
    }
    try {
      if (given === true) {
        this.#readAgain(true);
      } else {
        const meant = this.#meant();
        const versions = meant[0]?.origin.versions ?? HTTP_1;
        this.#replace(meant, resolveTls('tls', given, versions));
      }
    } catch (error) {
      this.#countFailure();
      throw fromNative(error);
    }
    this.#lastFailure = '';
  }

  /** Replaces what every listener has been given. */
  replaceAll(tls: ResolvedTls): void {
    try {
      this.#replace(this.#all, tls);
    } catch (error) {
      throw fromNative(error);
    }
  }

  stop(): void {
    clearTimeout(this.#again);
    this.#watcher?.close();
  }

  /** The server has stopped: no handshake is under way. */
  stopped(): void {
    for (const names of this.#names.values()) {
      names.close();
    }
  }

  /** Once, whatever the number of listeners. */
  #countFailure(): void {
    this.#native.noteTlsFailure((this.#all[0] as Secured).endpoint);
  }

  /** The listeners that a `tls` option of `reload` is for. */
  #meant(): readonly Secured[] {
    const [first] = this.#all;
    const origins = new Set(this.#all.map(({ origin }) => origin));
    if (origins.size > 1) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        'option "tls" of reload is ambiguous: several listeners have certificates of their own; reload({ tls: true }) reads their files again',
      );
    }
    return first === undefined ? [] : this.#all;
  }

  /** Files have changed, or may have. */
  #changed(): void {
    clearTimeout(this.#again);
    if (this.#tryAgain() !== undefined) {
      // A program that writes the certificate first and the key second may be between the two.
      this.#again = setTimeout(() => this.#lastTry(), GRACE_MS).unref();
    }
  }

  #lastTry(): void {
    const failure = this.#tryAgain();
    if (failure !== undefined && failure !== this.#lastFailure) {
      this.#lastFailure = failure;
      this.#countFailure();
      warn(`a new certificate is not used, the old one stays: ${failure}`);
    }
  }

  /** Why the files cannot be used, if they cannot. */
  #tryAgain(): string | undefined {
    try {
      this.#readAgain(false);
      this.#lastFailure = '';
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** @param isForced even if nothing has changed */
  #readAgain(isForced: boolean): void {
    const read = new Map<ResolvedTls, ResolvedTls>();
    for (const { current } of this.#all) {
      if (!read.has(current)) {
        read.set(current, current.again());
      }
    }
    const changed = [...read].filter(
      ([before, next]) => isForced || digestOf(before.native) !== digestOf(next.native),
    );
    if (changed.length > 1) {
      // All of them or none.
      for (const [, next] of changed) {
        binding().checkTls(next.native);
      }
    }
    for (const [before, next] of changed) {
      this.#replace(
        this.#all.filter(({ current }) => current === before),
        next,
      );
    }
  }

  #replace(secured: readonly Secured[], next: ResolvedTls): void {
    if (next.sni !== null && secured.some(({ origin }) => !this.#names.has(origin))) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        'option "SNICallback" cannot be added while the server runs: start it with one',
      );
    }
    const warnings = secured.flatMap(({ endpoint }) =>
      this.#native.reloadTls(endpoint, next.native),
    );
    for (const one of secured) {
      one.current = next;
      const names = this.#names.get(one.origin);
      if (names !== undefined) {
        names.callback = next.sni;
      }
    }
    for (const warning of new Set(warnings)) {
      warn(warning);
    }
    this.#watch();
  }

  #watch(): void {
    const files = this.#files;
    if (files.length > 0) {
      this.#watcher ??= new FileWatcher(() => this.#changed());
    }
    this.#watcher?.watch(files);
  }
}

/** Tells apart what was read; the texts hold private keys. */
function digestOf(tls: NativeTls): string {
  const hash = createHash('sha256');
  const text = JSON.stringify(tls, (_, value) => {
    if (!(value instanceof Uint8Array)) {
      return value;
    }
    return createHash('sha256').update(value).digest('base64');
  });
  return hash.update(text).digest('base64');
}

function warn(message: string): void {
  process.emitWarning(`reactor-rs: ${message}`, {
    type: 'ReactorWarning',
    code: 'ERR_REACTOR_TLS',
  });
}
