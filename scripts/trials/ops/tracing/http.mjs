// OpenTelemetry's own spans for node:http, which reactor-rs/node takes part in.

import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK({
  instrumentations: [
    new HttpInstrumentation({ disableOutgoingRequestInstrumentation: true }),
    new UndiciInstrumentation(),
  ],
});
sdk.start();
process.once('beforeExit', () => sdk.shutdown());
