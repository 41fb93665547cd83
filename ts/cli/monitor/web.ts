import { isIP } from 'node:net';
import { hostname as machine } from 'node:os';
import { ReactorError } from '../../errors/errors.js';
import { parseListener } from '../../options/listener.js';
import { serve } from '../../serve.js';
import { dashboardPage } from '../../server/dashboard.js';
import type { HandlerInfo } from '../../types/handler.js';
import type { Server } from '../../types/server.js';
import { fail, paint, say } from '../output.js';
import { Servers } from './servers.js';

/** The flags of `monitor --web`. */
export interface WebFlags {
  /** Where it listens; `true` without a value. */
  readonly web: string | true;
  /** Prints one line of JSON once it listens. */
  readonly json?: boolean;
}

const DEFAULT_PORT = 9180;

/** The page runs nothing but its own script; a policy inside of it names that by its digest. */
const POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/** Shows servers of this user in a browser until a signal comes; resolves to the exit code. */
export async function webCommand(which: string | undefined, flags: WebFlags): Promise<number> {
  const page = await dashboardPage();
  if (page === undefined) {
    return fail(1, 'the page dist/dashboard.html is missing from this package; install it anew');
  }
  const listen = parseListener(flags.web === true ? DEFAULT_PORT : flags.web);
  if (listen === undefined || listen.unix !== undefined) {
    return fail(
      2,
      `--web must be a port from 0 to 65535, with a host before it or not, such as 9180 or 0.0.0.0:9180, got "${flags.web}"`,
    );
  }
  const { hostname, port } = listen;
  const servers = new Servers(which);
  const server = await start(hostname, port, page, servers);
  const stopped = untilSignal(server);
  const isOpen = !isLoopback(hostname);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ event: 'listening', url: server.url })}\n`);
  } else {
    say(
      `${paint('bold', 'reactor-rs monitor')} on ${paint('cyan', server.url.href)} ${paint('dim', '(Ctrl+C ends it)')}`,
    );
  }
  if (isOpen) {
    say(
      paint(
        'red',
        'every client that reaches this address can watch your servers: there is no password',
      ),
    );
  }
  await stopped;
  servers.close();
  return 0;
}

async function start(
  hostname: string,
  port: number,
  page: Buffer,
  servers: Servers,
): Promise<Server> {
  try {
    return await serve({
      hostname,
      port,
      control: false,
      ioThreads: 1,
      workerThreads: 1,
      maxConnections: 256,
      fetch: (request, info) => answer(request, info, hostname, page, servers),
    });
  } catch (error) {
    if (error instanceof ReactorError && error.code === 'ERR_REACTOR_ADDRESS_IN_USE') {
      throw new ReactorError(error.code, `${error.message}; --web ${port + 1} takes another`);
    }
    throw error;
  }
}

async function answer(
  request: Request,
  { remoteAddress = '' }: Pick<HandlerInfo, 'remoteAddress'>,
  hostname: string,
  page: Buffer,
  servers: Servers,
): Promise<Response> {
  const { method, headers } = request;
  if (isLoopback(remoteAddress) && !isOwn(headers.get('host') ?? '', hostname)) {
    // A browser lets a page read what its own host name answers, be it this address.
    return refusal(421, 'This server answers to IP addresses, localhost and this machine only.');
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'It only answers GET.', { allow: 'GET, HEAD' });
  }
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === '/') {
    return new Response(new Uint8Array(page), {
      headers: {
        ...HEADERS,
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': POLICY,
      },
    });
  }
  if (pathname !== '/snapshot') {
    return refusal(404, 'There are / and /snapshot.');
  }
  if (/^(cross-site|same-site)$/.test(headers.get('sec-fetch-site') ?? '')) {
    return refusal(403, 'Pages of other origins cannot read this.');
  }
  const found = await servers.ask(searchParams.get('server'), searchParams.get('address'));
  return Response.json(found, { headers: HEADERS });
}

function refusal(status: number, text: string, more: Record<string, string> = {}): Response {
  const headers = { ...HEADERS, ...more, 'content-type': 'text/plain; charset=utf-8' };
  return new Response(`${text}\n`, { status, headers });
}

/** Whether a browser of this machine may call this server so, as the engine's own listeners have it. */
export function isOwn(host: string, listener: string): boolean {
  if (host === '' || host.startsWith('[')) {
    // Only IPv6 addresses have brackets.
    return true;
  }
  const name = host.replace(/:\d*$/, '').replace(/\.+$/, '').toLowerCase();
  return (
    isIP(name) !== 0 ||
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === machine().toLowerCase() ||
    name === listener.toLowerCase()
  );
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || /^(::1|(::ffff:)?127\.[\d.]+)$/.test(address);
}

function untilSignal(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    const stop = () => {
      for (const signal of signals) {
        process.off(signal, stop);
      }
      // Its only clients are pages, which ask again.
      server.stop({ force: true }).then(resolve, reject);
    };
    for (const signal of signals) {
      process.on(signal, stop);
    }
  });
}
