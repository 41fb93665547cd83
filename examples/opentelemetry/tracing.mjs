// Server spans of OpenTelemetry for each request at a handler, in all JavaScript threads:
//
//   npm install @opentelemetry/{api,context-async-hooks,instrumentation-undici,sdk-node}
//   OTEL_SERVICE_NAME=shop node --import ./tracing.mjs server.mjs
//
// OTEL_EXPORTER_OTLP_ENDPOINT says where they go; by default to http://localhost:4318.

import { randomBytes } from 'node:crypto';
import { tracingChannel } from 'node:diagnostics_channel';
import { propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { NodeSDK } from '@opentelemetry/sdk-node';

class Contexts extends AsyncLocalStorageContextManager {
  /** TypeScript hides it. Bound to the channel, a handler runs in the context of its span. */
  get storage() {
    return this._asyncLocalStorage;
  }
}

const contextManager = new Contexts();
/** The request whose span begins. It has the ids of its line in the access log (`trace: true`). */
let beginning = null;
const sdk = new NodeSDK({
  contextManager,
  idGenerator: {
    generateTraceId: () => beginning?.traceId ?? randomBytes(16).toString('hex'),
    generateSpanId: () => beginning?.spanId ?? randomBytes(8).toString('hex'),
  },
  // `fetch` sends the trace along, in a span of its own.
  instrumentations: [new UndiciInstrumentation()],
});
sdk.start();
process.once('beforeExit', () => sdk.shutdown());

const tracer = trace.getTracer('reactor-rs');
const spans = new WeakMap();
const fields = {
  get: (headers, name) => headers.get(name) ?? undefined,
  keys: (h) => [...h.keys()],
};
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
];

/** Names and attributes are those of the semantic conventions for HTTP servers. */
function begin(message) {
  const { request, info, route } = message;
  const { method } = request;
  const url = new URL(request.url);
  const known = METHODS.includes(method) ? method : '_OTHER';
  const parent = propagation.extract(ROOT_CONTEXT, request.headers, fields);
  const attributes = {
    'http.request.method': known,
    'http.request.method_original': known === method ? undefined : method,
    'http.route': route,
    'url.path': url.pathname,
    'url.query': url.search.slice(1) || undefined,
    'url.scheme': url.protocol.slice(0, -1),
    'server.address': url.hostname,
    'server.port': url.port === '' ? undefined : Number(url.port),
    'client.address': info.remoteAddress,
    'network.protocol.version': info.protocol.replace(/^HTTP\/|\.0$/g, ''),
    'user_agent.original': request.headers.get('user-agent') ?? undefined,
  };
  const name = `${known === method ? method : 'HTTP'}${route === undefined ? '' : ` ${route}`}`;
  beginning = info.trace;
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  beginning = null;
  spans.set(message, span);
  return trace.setSpan(parent, span);
}

function end(message) {
  const { status, error } = message;
  const span = spans.get(message);
  // There is no status if the client left before the answer.
  if (status !== undefined) span?.setAttribute('http.response.status_code', status);
  if (error !== undefined || status >= 500) {
    span?.setAttribute('error.type', error?.name ?? String(status));
    span?.setStatus({ code: SpanStatusCode.ERROR });
  }
  span?.end();
}

const requests = tracingChannel('reactor-rs:request');
requests.start.bindStore(contextManager.storage, begin);
requests.error.subscribe((message) => spans.get(message)?.recordException(message.error));
requests.asyncEnd.subscribe(end);
