// Damaged handshakes, byte by byte; after each one the server must be well.
//
//   node scripts/trials/tls/malformed.mjs [PART OF A NAME]

import { connect } from 'node:net';
import { authority } from '../../../__test__/tls/certificates.mjs';
import { canary, check, finish, startServer } from './lib.mjs';
import { CASES } from './malformed-cases.mjs';

/** No case needs so long; one that comes here is one that the server leaves alone. */
const PATIENCE_MS = 2_500;

/** @typedef {{ served: number, alerts: number[], encrypted: number, http: boolean, closed: string }} Seen */

/** What is in the server's bytes. */
function parse(bytes) {
  const seen = { served: 0, alerts: [], encrypted: 0, http: false, rest: 0 };
  if (bytes.subarray(0, 5).toString('latin1') === 'HTTP/') {
    return { ...seen, http: true };
  }
  let at = 0;
  while (bytes.length >= at + 5) {
    const length = bytes.readUInt16BE(at + 3);
    const payload = bytes.subarray(at + 5, at + 5 + length);
    if (payload.length < length) {
      break;
    }
    if (bytes[at] === 21) {
      seen.alerts.push(payload.length === 2 ? payload[1] : -1);
    } else if (bytes[at] === 22 && payload[0] === 2) {
      seen.served++;
    } else if (bytes[at] === 23) {
      seen.encrypted++;
    }
    at += 5 + length;
  }
  return { ...seen, rest: bytes.length - at };
}

/** Goes through a case's steps. */
function talk(port, { steps, cut }) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    let bytes = Buffer.alloc(0);
    let flight;
    let closed;
    const timer = setTimeout(() => {
      closed ??= 'open';
      socket.destroy();
    }, PATIENCE_MS);
    socket.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      flight?.();
    });
    socket.on('end', () => {
      closed ??= 'end';
      flight?.();
      socket.end();
    });
    socket.on('error', ({ code }) => {
      closed ??= code;
      flight?.();
    });
    socket.on('close', () => {
      clearTimeout(timer);
      flight?.();
      resolve({ ...parse(bytes), before: bytes.length, closed: closed ?? 'end' });
    });
    const send = (data) => new Promise((done) => socket.write(data, done));
    (async () => {
      for (const step of steps) {
        if (closed !== undefined) {
          return;
        }
        if (step === 'answer') {
          // A flight may come in several pieces, and nothing tells its end.
          await new Promise((done) => {
            flight = done;
            if (bytes.length > 0) {
              done();
            }
          });
          await new Promise((done) => setTimeout(done, 15));
          flight = undefined;
          socket.answered = parse(bytes).encrypted;
        } else if (step === 'end') {
          socket.end();
        } else if (step === 'reset') {
          socket.resetAndDestroy();
        } else if (cut === undefined) {
          await send(step);
        } else {
          for (let at = 0; at < step.length && closed === undefined; at += cut) {
            await send(step.subarray(at, at + cut));
          }
        }
      }
      const last = steps.at(-1);
      if (last !== 'end' && last !== 'reset') {
        // A server that goes on waits for more: an answer is enough.
        await new Promise((done) => {
          flight = () => {
            const { alerts, served, http } = parse(bytes);
            const isBehind = steps.includes('answer');
            if (closed !== undefined || alerts.length > 0 || http || (served > 0 && !isBehind)) {
              done();
            }
          };
          flight();
        });
        await new Promise((done) => setTimeout(done, 5));
        if (closed === undefined && !steps.includes('answer')) {
          socket.end();
        }
      }
    })();
  });
}

/** What came of it, in the words of the cases. */
function outcomeOf(seen, { steps }) {
  if (seen.closed === 'open') {
    return 'open';
  }
  if (seen.http) {
    return 'http';
  }
  if (seen.alerts.length > 0) {
    return seen.alerts.at(-1);
  }
  if (seen.served > 0) {
    const waits = ['end', 'reset'].includes(steps.at(-1)) || !steps.includes('answer');
    return waits ? 'served' : 'encrypted';
  }
  return 'closed';
}

const wanted = process.argv[2];
const ca = authority();
const { cert, key } = ca.issue();
const server = await startServer({ tls: { cert, key, handshakeTimeout: 5_000 } });
const bird = canary({ port: server.port, ca: ca.cert });
await bird.sing();
let other = 0;
for (const each of CASES) {
  if (wanted !== undefined && !each.name.includes(wanted)) {
    continue;
  }
  await check(each.name, async () => {
    const seen = await talk(server.port, each);
    if (server.hasEnded()) {
      throw new Error('the server has ended');
    }
    await bird.sing();
    const outcome = outcomeOf(seen, each);
    const isGone = ['end', 'reset'].includes(each.steps.at(-1));
    const may = [...each.may, ...(isGone && each.may.includes('served') ? ['encrypted'] : [])];
    if (!may.includes(outcome)) {
      throw new Error(`${outcome}, not ${each.may.join(' or ')}: ${JSON.stringify(seen)}`);
    }
    if (outcome !== each.may[0]) {
      other++;
      return `${outcome}, where ${each.may[0]} would be expected first`;
    }
    return String(outcome);
  });
}
await check('nothing is held afterwards', async () => {
  const { connections } = await server.stats();
  const open = connections?.open ?? 1;
  if (open > 1) {
    throw new Error(`${open} connections are open, and one is the canary's`);
  }
});
console.log(`# ${other} cases with an answer that is right, but not the first choice`);
bird.close();
await server.stop();
finish();
