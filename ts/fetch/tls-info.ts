import { X509Certificate } from 'node:crypto';
import { type InspectOptions, inspect } from 'node:util';
import type { TlsInfo } from '../types/tls-info.js';

/** What the engine tells of a connection with TLS. */
export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
  readonly standardCipher: string;
  readonly group?: string | undefined;
  readonly protocol?: string | undefined;
  readonly serverName?: string | undefined;
  readonly resumed: boolean;
  /** The client's certificates, in DER. */
  readonly peer: readonly Uint8Array[];
  /** Why they are not accepted. */
  readonly peerFault?: string | undefined;
}

/** What a handler gets of it. Certificates are read when the handler looks at them. */
export class ReactorTlsInfo implements TlsInfo {
  readonly #facts: TlsFacts;
  #certificates: readonly X509Certificate[] | null = null;

  constructor(facts: TlsFacts) {
    this.#facts = facts;
  }

  get version(): TlsInfo['version'] {
    return this.#facts.version as TlsInfo['version'];
  }

  get cipher(): string {
    return this.#facts.cipher;
  }

  get standardCipher(): string {
    return this.#facts.standardCipher;
  }

  get group(): string | undefined {
    return this.#facts.group;
  }

  get alpnProtocol(): string | undefined {
    return this.#facts.protocol;
  }

  get serverName(): string | undefined {
    return this.#facts.serverName;
  }

  get resumed(): boolean {
    return this.#facts.resumed;
  }

  get authorized(): boolean {
    return this.#facts.peer.length > 0 && this.#facts.peerFault === undefined;
  }

  get authorizationError(): string | undefined {
    return this.#facts.peerFault;
  }

  get peerCertificate(): X509Certificate | undefined {
    return this.peerCertificates[0];
  }

  get peerCertificates(): readonly X509Certificate[] {
    this.#certificates ??= this.#facts.peer.map((der) => new X509Certificate(der));
    return this.#certificates;
  }

  toJSON(): Record<string, unknown> {
    const { version, cipher, alpnProtocol, serverName, resumed } = this;
    const { authorized, authorizationError } = this;
    const subject = this.peerCertificate?.subject;
    return {
      ...{ version, cipher, alpnProtocol, serverName, resumed },
      ...{ authorized, authorizationError, peer: subject },
    };
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `TlsInfo ${inspect(this.toJSON(), options)}`;
  }
}
