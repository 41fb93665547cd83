// Listens to the channel of requests, and does the least that a tracer does.

import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';

const requests = tracingChannel('reactor-rs:request');
requests.start.bindStore(new AsyncLocalStorage(), (context) => context);
requests.asyncEnd.subscribe((context) => {
  context.isSeen = true;
});
