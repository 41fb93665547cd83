import http2 from 'node:http2';
import { ReactorError } from '../errors/errors.js';
import { warnUnsupported } from './errors.js';
import { createSecureServer, createServer } from './http2/index.js';
import { ONLY_NODE } from './register-https.js';

type Options = Readonly<Record<string, unknown>>;
type Create = (...given: unknown[]) => unknown;

/** Options of node:http2 that the engine has not, and that clients would notice. */
const ONLY_NODES_HTTP2: readonly string[] = [
  ...['origins', 'remoteCustomSettings', 'paddingStrategy', 'strictFieldWhitespaceValidation'],
];

/**
 * Puts this server in the place of `http2.createServer` and `http2.createSecureServer`. Node's classes
 * of them are not public, so no program derives from them.
 *
 * @param whyNode why a server must be Node's own, if it must
 */
export function installHttp2(whyNode: (options: Options) => string | undefined): void {
  const replaced = (genuine: Create, ours: Create) =>
    Object.defineProperty(
      (first?: unknown, second?: unknown) => {
        const isListener = typeof first === 'function';
        const options = ((isListener ? {} : first) ?? {}) as Options;
        const why = whyOfOptions(options) ?? whyNode(options);
        if (why !== undefined) {
          return stay(why, () => genuine(first, second));
        }
        try {
          return ours(options, isListener ? first : second);
        } catch (error) {
          // Node may know keys and ciphers that are too weak here, or take what is refused here.
          if (!(error instanceof ReactorError)) {
            throw error;
          }
          return stay(`cannot be another: ${error.message}`, () => genuine(first, second));
        }
      },
      'name',
      { value: genuine.name },
    );
  Object.assign(http2, {
    createServer: replaced(http2.createServer as Create, createServer as Create),
    createSecureServer: replaced(http2.createSecureServer as Create, createSecureServer as Create),
  });
}

function whyOfOptions(options: Options): string | undefined {
  const name = [...ONLY_NODE, ...ONLY_NODES_HTTP2].find((each) => options[each] != null);
  if (name !== undefined) {
    return `has the option "${name}"`;
  }
  const { customSettings } = (options.settings ?? {}) as Options;
  return customSettings === undefined ? undefined : 'has settings of its own';
}

function stay(why: string, genuine: () => unknown): unknown {
  warnUnsupported(
    `node:http2:${why}`,
    `reactor-rs/node/register: a server stays that of node:http2, because it ${why}`,
  );
  return genuine();
}
