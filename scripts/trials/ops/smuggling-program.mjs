// What is behind the fronts of the smuggling trial, and how the fronts tell what they have sent to it.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { serve } from '../../../dist/index.js';
import { swap } from './fronts.mjs';

/** Of each front: what gives a request its identity, and tells what became of it. */
export const SETUP = {
  haproxy: (speaksHttp2) => ({
    change(text) {
      let changed = swap(text, 'log stdout format', 'log stdout len 16384 format');
      changed = swap(
        changed,
        'option httplog',
        'log-format "%[var(txn.front)] %ST %[var(txn.seen)] %s %HM %HU"',
      );
      changed = swap(
        changed,
        '    default_backend',
        `    http-request set-var(txn.front) uuid
    http-request set-header X-Front %[var(txn.front)]
    default_backend`,
      );
      if (speaksHttp2) changed = swap(changed, / server app1 .*/, '$& proto h2');
      return swap(
        changed,
        'balance leastconn',
        `http-reuse always
    http-response set-var(txn.seen) res.hdr(x-seen)`,
      );
    },
  }),
  nginx: () => ({
    logged: '$request_id $status $upstream_http_x_seen $upstream_addr $request_method $request_uri',
    change: (text) =>
      swap(
        text,
        'proxy_set_header Host',
        'proxy_set_header X-Front $request_id;\n    proxy_set_header Host',
      ),
  }),
  envoy: (speaksHttp2) => ({
    change(text) {
      const format =
        '%STREAM_ID% %RESPONSE_CODE% %RESP(X-SEEN)% %UPSTREAM_HOST% %REQ(:METHOD)% %REQ(:PATH)%\\n';
      const log = `access_log:
                  - name: envoy.access_loggers.stdout
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format: { text_format_source: { inline_string: "${format}" } }
                `;
      const field = `request_headers_to_add:
                        - header: { key: x-front, value: "%STREAM_ID%" }
                          append_action: OVERWRITE_IF_EXISTS_OR_ADD`;
      const all = text.replaceAll('request_headers_to_add:', field);
      const logged = all.replaceAll('upgrade_configs:', `${log}upgrade_configs:`);
      return speaksHttp2
        ? swap(logged, 'config: { http_protocol_options', 'config: { http2_protocol_options')
        : logged;
    },
  }),
};

/** What a front wrote into its log, without the escapes that it writes it with. */
const UNESCAPED = {
  haproxy: (text) => text.replaceAll(/#([0-9A-F]{2})/g, (_, hex) => letter(hex)),
  nginx: (text) =>
    text.replaceAll(/\\(?:u00([0-9A-F]{2})|(.))/g, (_, hex, char) => (hex ? letter(hex) : char)),
  envoy: (text) => text,
};

const letter = (hex) => String.fromCharCode(Number.parseInt(hex, 16));

/** What a front has sent, by the identities that it gave. */
export function readLog({ name }, text) {
  const entries = text.split('\n').map((line) => {
    const [front, status, seen, server, ...rest] = line.split(' ');
    const [method, ...uri] = rest.map(UNESCAPED[name]);
    return [front, { status, seen, server, method, uri: uri.join(' ') }];
  });
  return new Map(entries.filter(([front]) => front.length > 8));
}

/**
 * Whether a front may have sent it without a line of its log. HAProxy writes none where a kept
 * connection to the program fails before an answer: it resets its client's stream then, who is to
 * ask again. The identity is one that only a front makes.
 */
export function isUnlogged({ name }, { front, signal }) {
  return (
    name === 'haproxy' &&
    signal?.aborted &&
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(front)
  );
}

/** HAProxy makes CONNECT of each request for a WebSocket, as HTTP/2 has it, which a handler sees as GET. */
export function isSameMethod({ name, speaksHttp2 }, sent, { method, upgrade }) {
  const isConnect = name === 'haproxy' && speaksHttp2 && upgrade === 'websocket';
  return method === (isConnect ? 'GET' : sent.method);
}

export function isSamePath(uri, path) {
  try {
    // The authority of an absolute one may be empty.
    const target = uri.replace(/^[a-z]+:\/\/[^/?#]*/i, '');
    const url = target.startsWith('/') ? new URL(`http://a${target}`) : new URL(target, 'http://a');
    // HAProxy cuts long ones off.
    return url.pathname === path || (uri.length > 1000 && path.startsWith(url.pathname));
  } catch {
    return false;
  }
}

/** This server. */
export const real = (seen, current, file) =>
  serve({ ...program(seen, current, dirname(file)), accessLog: { file, format: 'json' } });

/** The same where it believes the front, which says over HTTP/2 that its own clients use https. */
export const trusting = (seen, current, file) =>
  serve({
    ...program(seen, current, dirname(file)),
    trustProxy: 'loopback',
    accessLog: { file, format: 'json' },
  });

/** A program that does not look for bodies, so that it takes each for the next request. */
export async function ignorant(seen, current, file) {
  writeFileSync(file, '');
  const server = createServer((socket) => {
    let rest = '';
    socket.on('error', () => {}).setEncoding('latin1');
    socket.on('data', (text) => {
      const heads = (rest + text).split('\r\n\r\n');
      rest = heads.pop();
      for (const head of heads) {
        const [, method, path] = /^(\S+) (\S+)/.exec(head) ?? [];
        const field = (name) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1] ?? null;
        const names = { token: 'x-token', swallows: 'x-swallows', front: 'x-front', host: 'host' };
        const fields = Object.entries(names).map(([name, line]) => [name, field(line)]);
        const serial = seen.length + 1;
        const one = {
          serial,
          port: socket.remotePort,
          method,
          path,
          ...Object.fromEntries(fields),
        };
        seen.push({ ...one, case: current() });
        const body = JSON.stringify({ ...one, body: '' });
        socket.write(
          `HTTP/1.1 200 OK\r\nX-Seen: ${serial}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port, stop: () => server.close() };
}

/** What is behind the front: it notes each request, and tells it. */
function program(seen, current, folder) {
  const note = (request, info, more = {}) => {
    const { headers, method } = request;
    const one = {
      serial: seen.length + 1,
      port: info.remotePort,
      method,
      path: new URL(request.url).pathname,
      token: headers.get('x-token'),
      swallows: headers.get('x-swallows'),
      front: headers.get('x-front'),
      host: headers.get('host'),
      ...more,
    };
    const upgrade = headers.get('upgrade');
    seen.push({ ...one, case: current(), signal: request.signal, upgrade });
    return one;
  };
  const answer = (one, status = 200) =>
    Response.json(one, { status, headers: { 'x-seen': String(one.serial) } });
  return {
    hostname: '127.0.0.1',
    port: 0,
    ioThreads: 1,
    limits: { body: 100_000 },
    control: false,
    routes: {
      '/readyz': 'ok',
      '/healthz': 'ok',
      '/static': 'ok',
      '/file.txt': { file: join(folder, 'file.txt') },
      '/moved': (request, info) => {
        const { serial } = note(request, info);
        return new Response(null, {
          status: 302,
          headers: { location: '/echo', 'x-seen': String(serial) },
        });
      },
      // It answers before it has seen the body.
      '/early': (request, info) => answer(note(request, info)),
      '/none': (request, info) => answer(note(request, info), 404),
      '/ws': (request, info) => {
        const one = note(request, info);
        return info.upgrade(request) ? undefined : answer(one, 426);
      },
    },
    async fetch(request, info) {
      const one = note(request, info);
      return answer({ ...one, body: await request.text() });
    },
    websocket: { message() {} },
    error: () => new Response('error', { status: 500 }),
  };
}
