import { ReactorError } from '../errors/errors.js';

const CREATE = 'import { createServer } from "reactor-rs/node"';

/** An application or server that answers requests in another way than `fetch`. */
interface Kind {
  readonly name: string;
  /** What to write instead. */
  readonly advice: string;
  readonly is: (value: Members) => boolean;
}

type Members = Readonly<Record<string, unknown>>;

const has = (value: Members, ...names: string[]) =>
  names.every((name) => typeof value[name] === 'function');

/** The most specific first. */
const KINDS: readonly Kind[] = [
  {
    name: 'a NestJS application',
    advice: `${CREATE}, and create it with an ExpressAdapter or a serverFactory that uses it`,
    is: (value) => has(value, 'getHttpAdapter', 'listen'),
  },
  {
    name: 'an Express application',
    advice: `${CREATE}, then createServer(app).listen(3000)`,
    is: (value) => typeof value === 'function' && has(value, 'handle', 'set', 'use'),
  },
  {
    name: 'a Connect application',
    advice: `${CREATE}, then createServer(app).listen(3000)`,
    is: (value) => typeof value === 'function' && has(value, 'handle', 'use'),
  },
  {
    name: 'a Koa application',
    advice: `${CREATE}, then createServer(app.callback()).listen(3000)`,
    is: (value) => has(value, 'callback', 'use', 'listen'),
  },
  {
    name: 'a Fastify application',
    advice: `${CREATE}, then Fastify({ serverFactory: (handler) => createServer(handler) })`,
    is: (value) => has(value, 'inject', 'route', 'ready') && has(value, 'listen'),
  },
  {
    name: 'a server of node:http',
    advice: `${CREATE} in the place of node:http's, and call its listen()`,
    is: (value) => has(value, 'listen', 'address', 'getConnections'),
  },
  {
    name: 'a polka application',
    advice: `${CREATE}, then createServer(app.handler).listen(3000)`,
    is: (value) => has(value, 'handler', 'use', 'listen'),
  },
  {
    name: 'an application of h3 v1',
    advice: 'give its handler: import { toWebHandler } from "h3", then serve(toWebHandler(app))',
    is: (value) => has(value, 'handler', 'use') && Array.isArray(value.stack),
  },
  {
    name: 'an application for node:http',
    advice: `${CREATE}, and give it the application's (req, res) function`,
    is: (value) => has(value, 'listen') && !has(value, 'fetch'),
  },
];

/**
 * Refuses an application or server that is made for `node:http` and has no `fetch`, and says what
 * to write.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`.
 */
export function refuseForeignApplication(label: string, value: unknown): void {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  if (!isObject || typeof (value as { fetch?: unknown }).fetch === 'function') {
    return;
  }
  const kind = KINDS.find(({ is }) => is(value as Members));
  if (kind !== undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${label} is ${kind.name}, which has no "fetch": ${kind.advice}`,
    );
  }
}

/**
 * Refuses a handler that is an application or a function for `node:http`.
 * @throws {ReactorError} as {@link refuseForeignApplication}.
 */
export function refuseNodeHandler(label: string, handler: unknown): void {
  refuseForeignApplication(label, handler);
  refuseClass(label, handler);
  if (typeof handler === 'function' && isNodeHandler(handler)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${label} is a (req, res) handler for node:http, and handlers here return a Response: ${CREATE}, then createServer(handler).listen(3000)`,
    );
  }
}

/**
 * Refuses a class in the place of its instance: called without `new` it would throw for every
 * request.
 * @throws {ReactorError} as {@link refuseForeignApplication}.
 */
export function refuseClass(label: string, value: unknown): void {
  if (typeof value !== 'function' || typeof (value as Partial<Application>).fetch === 'function') {
    return;
  }
  if (/^class\b/.test(Function.prototype.toString.call(value))) {
    const { name } = value;
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${label} is a class: give an instance of it, such as new ${name === '' ? 'App' : name}()`,
    );
  }
}

interface Application {
  readonly fetch: unknown;
}

/** Matches the names of a function's first two parameters. */
const PARAMETERS =
  /^(?:async\s+)?(?:function\b\s*\*?\s*[\w$]*|[\w$]+)?\s*\(\s*([\w$]+)\s*,\s*([\w$]+)\s*(?:,[^)]*)?\)/;

/** The methods that handlers for node:http call on their second argument. */
const OF_RESPONSES =
  'end|write|writeHead|setHeader|appendHeader|flushHeaders|send|json|status|sendStatus|redirect|pipe';

/**
 * Whether a function takes `(req, res)`: it calls methods of a response on the second parameter.
 * Handlers of this package may have two parameters too, so the number says nothing.
 */
function isNodeHandler(handler: object): boolean {
  const source = Function.prototype.toString.call(handler);
  const [, first, second] = PARAMETERS.exec(source) ?? [];
  if (first === undefined || second === undefined) {
    return false;
  }
  const name = second.replaceAll('$', '\\$');
  if (new RegExp(`(?<![\\w$.])${name}\\s*\\??\\.\\s*(?:${OF_RESPONSES})\\s*\\(`).test(source)) {
    return true;
  }
  // A function may only pass both on. One that makes a Response is a handler of this package,
  // whatever its names.
  return first === 'req' && second === 'res' && !/\bResponse\b/.test(source);
}
