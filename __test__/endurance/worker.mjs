// A worker that serves; see subject.mjs.

import { parentPort, workerData } from 'node:worker_threads';
import { ANSWERS } from './answers.mjs';

const { serve } = await import(new URL('../../dist/index.js', import.meta.url).href);
const { handle } = ANSWERS[workerData.answer];
let isAsked = false;
const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ioThreads: 2,
  workerThreads: 2,
  fetch: (request) => {
    if (!isAsked) {
      isAsked = true;
      parentPort.postMessage('asked');
    }
    return handle(request);
  },
});
parentPort.once('message', () => process.exit());
parentPort.postMessage(`listening ${server.port}`);
