// Clients of all kinds, as many programs have them: what fails is noted.

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';

/**
 * Starts them; they go on until they are told to stop.
 * @param {number} port
 * @param {{ kept?: number, fresh?: number, uploads?: number, events?: number, sockets?: number }} [many]
 */
export function startLoad(
  port,
  { kept = 6, fresh = 2, uploads = 4, events = 3, sockets = 3 } = {},
) {
  const load = {
    stopped: false,
    counts: { kept: 0, fresh: 0, uploads: 0, events: 0, sockets: 0 },
    /** How often a stream or a socket began anew. */
    again: { events: 0, sockets: 0 },
    faults: [],
    uploaded: [],
  };
  const fault = (what, error) => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    load.faults.push(`${seconds} s, ${what}: ${error?.code ?? ''} ${error?.message ?? error}`);
  };
  let begun = performance.now();
  const agents = [];
  const many = (count, one) => Array.from({ length: count }, (_, i) => one(i));
  const loops = [
    ...many(kept, (i) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      agents.push(agent);
      return asks(agent, i === 0 ? '/slow' : '/hello', 'kept', 8);
    }),
    ...many(fresh, () => asks(false, '/hello', 'fresh', 15)),
    ...many(uploads, (i) => uploadsOf(i)),
    ...many(events, follows),
    ...many(sockets, talks),
  ];

  async function asks(agent, path, kind, pause) {
    while (!load.stopped) {
      try {
        const { status, body } = await ask(port, { path, agent });
        if (status !== 200 || body !== path.slice(1)) throw new Error(`${status} ${body}`);
        load.counts[kind]++;
      } catch (error) {
        fault(kind, error);
      }
      await sleep(pause);
    }
  }

  /** Uploads may not be repeated: by a length and in chunks, at once and over a while. */
  async function uploadsOf(i) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(agent);
    for (let n = 0; !load.stopped; n++) {
      const id = `${i}-${n}-${randomBytes(4).toString('hex')}`;
      const piece = Buffer.alloc(n % 3 === 0 ? 1000 : 20_000, 'u');
      const pieces = 1 + (n % 5);
      const headers = i % 2 === 0 ? { 'content-length': pieces * piece.length } : {};
      try {
        const options = { method: 'POST', path: `/upload/${id}`, agent, headers };
        const { status, body } = await ask(port, options, async (request) => {
          for (let k = 0; k < pieces; k++) {
            request.write(piece);
            if (n % 2 === 0) await sleep(15);
          }
          request.end();
        });
        if (status !== 200 || JSON.parse(body).bytes !== pieces * piece.length) {
          throw new Error(`${status} ${body}`);
        }
        load.counts.uploads++;
        load.uploaded.push(id);
      } catch (error) {
        fault(`upload ${id}`, error);
      }
      await sleep(10);
    }
  }

  /** A stream that ends well is begun anew after the last event, as an EventSource does. */
  async function follows() {
    let last = 0;
    while (!load.stopped) {
      try {
        await new Promise((resolve, reject) => {
          const headers = { 'last-event-id': String(last) };
          const request = http.get({
            host: '127.0.0.1',
            port,
            path: '/events',
            headers,
            agent: false,
          });
          request.on('error', reject).on('response', (response) => {
            if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
            let rest = '';
            response.setEncoding('utf8').on('data', (text) => {
              const parts = (rest + text).split('\n\n');
              rest = parts.pop();
              for (const part of parts) {
                const id = Number(/^id: (\d+)$/m.exec(part)?.[1]);
                if (id !== last + 1) reject(new Error(`event ${id} after ${last}`));
                last = id;
                load.counts.events++;
              }
              if (load.stopped) {
                request.destroy();
                resolve();
              }
            });
            response.on('end', resolve).on('error', reject);
          });
        });
        if (!load.stopped) load.again.events++;
      } catch (error) {
        fault('events', error);
        await sleep(50);
      }
    }
  }

  /** A socket that is closed well is opened anew; what it sent last must have been answered. */
  async function talks() {
    while (!load.stopped) {
      try {
        await new Promise((resolve, reject) => {
          const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
          let asked = 0;
          const send = () => {
            if (load.stopped) socket.close(1000);
            else if (socket.readyState === WebSocket.OPEN) socket.send(String(++asked));
          };
          socket.on('open', send).on('error', reject);
          socket.on('message', (data) => {
            if (String(data) !== String(asked)) reject(new Error(`${data} for ${asked}`));
            load.counts.sockets++;
            setTimeout(send, 15);
          });
          socket.on('close', (code) => {
            if ([1000, 1001, 1012].includes(code)) resolve();
            else reject(new Error(`closed with ${code}`));
          });
        });
        if (!load.stopped) load.again.sockets++;
      } catch (error) {
        fault('socket', error);
        await sleep(50);
      }
    }
  }

  return Object.assign(load, {
    /** Counts anew. */
    begin() {
      begun = performance.now();
      load.faults = [];
      for (const counts of [load.counts, load.again]) {
        for (const kind in counts) counts[kind] = 0;
      }
    },

    /** Ends all, and waits for what is under way. */
    async stop() {
      load.stopped = true;
      await Promise.all(loops);
      for (const agent of agents) agent.destroy();
    },
  });
}

/** One request; `send` writes its body. */
export function ask(port, options, send) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, ...options });
    request.setTimeout(10_000, () => request.destroy(new Error('nothing came for 10 s')));
    request.on('error', reject).on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('error', reject).on('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
    if (send) send(request);
    else request.end();
  });
}
