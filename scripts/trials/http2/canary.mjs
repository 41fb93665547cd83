// A client that must be served well whatever else happens: `node canary.mjs PORT`. It asks every few
// milliseconds for what needs no JavaScript, and for each line of its input it says in JSON how that went since the last.

import { once } from 'node:events';
import http2 from 'node:http2';
import { createInterface } from 'node:readline';
import { ask } from './lib.mjs';

const session = http2.connect(`http://127.0.0.1:${process.argv[2]}`);
let times = [];
let faults = [];
session.on('error', ({ message }) => faults.push(message));
session.on('goaway', (code) => faults.push(`GOAWAY ${code}`));
await once(session, 'connect');
console.log('ready');

let isOver = false;
const singing = (async () => {
  while (!isOver) {
    const begun = performance.now();
    try {
      const { status, body } = await ask(session, { ':path': '/inline' });
      if (status !== 200 || String(body) !== 'hello') faults.push(`${status} ${body}`);
    } catch ({ message }) {
      faults.push(message);
      if (faults.length > 20) break;
    }
    times.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
})();

for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify({ times, faults })}\n`);
  times = [];
  faults = [];
}
isOver = true;
await singing;
session.destroy();
