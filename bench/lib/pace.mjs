// An open loop: requests at a steady pace, whatever the answers take.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from './failure.mjs';
import { get, split } from './http.mjs';

/**
 * Asks `rate` times a second over keep-alive connections until `until` settles.
 * A latency counts from the moment at which the request was due, so that one
 * that had to wait for a free connection, or for this process, is not flattered.
 *
 * @param {{ port: number, path: string, rate: number, connections: number,
 *   until: Promise<unknown> }} what
 * @returns latencies in milliseconds, one for each request, in order of the answers
 * @throws {Failure} for an answer other than 200, or none within 10 s
 */
export async function pace({ port, path, rate, connections, until }) {
  const request = get(path);
  const latencies = [];
  const free = [];
  const sockets = [];
  /** When the requests were due that wait for a free connection. */
  const waiting = [];
  let failure = null;

  for (let i = 0; i < connections; i++) {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    const slot = { socket, due: 0, bytes: Buffer.alloc(0) };
    socket.on('data', (chunk) => receive(slot, chunk));
    socket.on('error', (error) => {
      failure ??= error;
    });
    socket.on('close', () => {
      failure ??= new Failure('the server closed a connection');
    });
    sockets.push(socket);
    free.push(slot);
  }

  let isOver = false;
  until.finally(() => {
    isOver = true;
  });
  const began = performance.now();
  let sent = 0;
  while (!isOver) {
    const now = performance.now();
    for (; began + (sent * 1000) / rate <= now; sent++) {
      waiting.push(began + (sent * 1000) / rate);
    }
    send();
    await sleep(1);
    if (failure !== null) throw failure;
  }
  const deadline = performance.now() + 10_000;
  while (latencies.length < sent) {
    if (failure !== null) throw failure;
    if (performance.now() > deadline) throw new Failure(`${path}: no answer within 10 s`);
    await sleep(1);
  }
  for (const socket of sockets) socket.removeAllListeners('close').destroy();
  return latencies;

  function send() {
    while (waiting.length > 0 && free.length > 0) {
      const slot = free.shift();
      slot.due = waiting.shift();
      slot.socket.write(request);
    }
  }

  function receive(slot, chunk) {
    slot.bytes = Buffer.concat([slot.bytes, chunk]);
    const [answer] = split(slot.bytes);
    if (answer === undefined) return;
    if (answer.status !== 200) failure ??= new Failure(`${path} answers ${answer.status}`);
    latencies.push(performance.now() - slot.due);
    slot.bytes = Buffer.alloc(0);
    free.push(slot);
    send();
  }
}
