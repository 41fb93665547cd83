// Clients that follow the rules: a connection that says `close` is not used again, a client of events
// comes back when they end, one of WebSockets when it is closed with 1012. Whatever fails is noted.

import { createHash } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import WebSocket from 'ws';

const UPLOAD = Buffer.alloc(64 * 1024, 'generation');
const UPLOAD_SUM = createHash('sha256').update(UPLOAD).digest('hex');

/**
 * What clients have seen.
 * @typedef {object} Tally
 * @property {Record<string, number>} counts by kind of client
 * @property {string[]} failures the first of them
 * @property {number} failed
 * @property {number} refused connections
 */

/** Load of many kinds until it is stopped. */
export class Load {
  /** @type {Tally} */
  tally = { counts: {}, failures: [], failed: 0, refused: 0 };
  #running = [];
  #seen = new Map();
  #isOver = false;
  #closing = [];

  /** @param {{ port: number, tlsPort?: number, unix?: string, metrics?: string }} place */
  constructor(place) {
    this.place = place;
  }

  count(kind) {
    this.tally.counts[kind] = (this.tally.counts[kind] ?? 0) + 1;
  }

  fail(kind, error) {
    if (this.#isOver && error?.code !== 'ECONNREFUSED') {
      return;
    }
    this.tally.failed++;
    if (error?.code === 'ECONNREFUSED') {
      this.tally.refused++;
    }
    this.#seen.set(kind, (this.#seen.get(kind) ?? 0) + 1);
    if (this.#seen.get(kind) <= 3) {
      const cause = error?.cause === undefined ? '' : ` (${error.cause})`;
      this.tally.failures.push(
        `${new Date().toISOString()} ${kind}: ${error?.code ?? ''} ${error?.message ?? error}${cause}`,
      );
    }
  }

  get isOver() {
    return this.#isOver;
  }

  /** Calls `once` so often a second, whatever the earlier calls do. */
  every(kind, perSecond, once) {
    const pause = 1000 / perSecond;
    const run = async () => {
      const under = new Set();
      let next = performance.now() + Math.random() * pause;
      while (!this.#isOver) {
        await sleep(Math.max(next - performance.now(), 0));
        next += pause;
        const call = once().then(
          () => this.count(kind),
          (error) => this.fail(kind, error),
        );
        under.add(call);
        void call.finally(() => under.delete(call));
      }
      await Promise.all(under);
    };
    this.#running.push(run());
  }

  /** Runs `once` again and again. */
  loop(kind, once) {
    const run = async () => {
      while (!this.#isOver) {
        try {
          await once();
          this.count(kind);
        } catch (error) {
          this.fail(kind, error);
          await sleep(50);
        }
      }
    };
    this.#running.push(run());
  }

  onClose(close) {
    this.#closing.push(close);
  }

  async stop() {
    this.#isOver = true;
    for (const close of this.#closing) {
      close();
    }
    await Promise.race([Promise.all(this.#running), sleep(5000)]);
    return this.tally;
  }

  /** About 500 requests a second in total. */
  start() {
    const { port, tlsPort, unix } = this.place;
    const origin = `http://127.0.0.1:${port}`;
    const pool = new Pool(origin, { connections: 8 });
    this.onClose(() => void pool.destroy().catch(() => {}));
    this.every('undici', 150, async () => {
      const { statusCode, body } = await pool.request({ path: '/pid', method: 'GET' });
      expect(statusCode === 200 && /^\d+$/.test(await body.text()), `status ${statusCode}`);
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    this.onClose(() => agent.destroy());
    this.every('node:http, kept', 120, () => ask({ port, agent, path: '/pid' }, /^\d+$/));
    this.every('node:http, new', 80, () => ask({ port, agent: false, path: '/pid' }, /^\d+$/));
    this.every('slow', 20, () => ask({ port, agent: false, path: '/slow' }, /^slow$/));
    this.every('upload', 20, () => upload({ port, agent }));
    this.every('upload, new', 10, () => upload({ port, agent: false }));
    // Requests so rare that a drain could close their connections between them.
    for (let n = 0; n < 40; n++) {
      const own = new http.Agent({ keepAlive: true, maxSockets: 1 });
      this.onClose(() => own.destroy());
      this.every('rare', 1.1 + n / 100, () => ask({ port, agent: own, path: '/pid' }, /^\d+$/));
    }
    if (unix !== undefined) {
      this.every('unix', 20, () => ask({ socketPath: unix, agent: false, path: '/pid' }, /^\d+$/));
    }
    if (tlsPort !== undefined) {
      const secured = { port: tlsPort, protocol: 'https:', rejectUnauthorized: false };
      const kept = new https.Agent({ keepAlive: true, maxSockets: 4 });
      this.onClose(() => kept.destroy());
      this.every('https, kept', 20, () => ask({ ...secured, agent: kept, path: '/pid' }, /^\d+$/));
      this.every('https, new', 5, () => ask({ ...secured, agent: false, path: '/pid' }, /^\d+$/));
      const sessions = new Sessions(`https://127.0.0.1:${tlsPort}`);
      this.onClose(() => sessions.close());
      this.every('http2', 40, () => sessions.ask('/pid', /^\d+$/));
    }
    if (this.place.metrics !== undefined) {
      const { hostname, port: own } = new URL(this.place.metrics);
      this.every('metrics', 2, () =>
        ask({ hostname, port: own, agent: false, path: '/metrics' }, /reactor_/),
      );
    }
    for (let n = 0; n < 10; n++) {
      this.loop('events', () => this.#listen(port));
      this.loop('websocket', () => this.#talk(port));
      this.loop('websocket', () => this.#talk(port));
    }
  }

  /** Listens to events until they end in order. */
  #listen(port) {
    return new Promise((resolve, reject) => {
      const request = http.get({ port, host: '127.0.0.1', agent: false, path: '/events' });
      this.onClose(() => request.destroy());
      request.on('error', reject);
      request.on('response', (response) => {
        if (response.statusCode !== 200) {
          reject(new Error(`status ${response.statusCode}`));
        }
        let last = '';
        response.setEncoding('utf8').on('data', (text) => {
          last = (last + text).slice(-200);
        });
        response.on('error', reject);
        response.on('end', () =>
          last.endsWith('\n\n') ? resolve() : reject(new Error(`cut within an event: ${last}`)),
        );
        response.on('close', () => {
          if (!response.complete) {
            reject(new Error('events were broken off'));
          }
        });
      });
    });
  }

  /** Says something now and then, until the server asks to come back. */
  #talk(port) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
      this.onClose(() => socket.terminate());
      let said = 0;
      let heard = 0;
      const timer = setInterval(() => {
        if (socket.readyState === WebSocket.OPEN) {
          socket.send(String(++said));
        }
      }, 200);
      socket.on('message', (data) => {
        if (String(data) !== String(++heard)) {
          reject(new Error(`heard ${data} in place of ${heard}`));
        }
      });
      socket.on('error', reject);
      socket.on('close', (code) => {
        clearInterval(timer);
        if (code === 1012) {
          resolve();
        } else {
          reject(new Error(`WebSocket closed with ${code}`));
        }
      });
    });
  }
}

/** One connection of HTTP/2 at a time; another once the server has said that it goes. */
class Sessions {
  #session = null;

  constructor(origin) {
    this.origin = origin;
  }

  #open() {
    const session = http2.connect(this.origin, { rejectUnauthorized: false });
    const forget = () => {
      if (this.#session === session) {
        this.#session = null;
      }
    };
    session.on('error', forget);
    session.on('goaway', forget);
    session.on('close', forget);
    this.#session = session;
    return session;
  }

  ask(path, expected, tries = 0) {
    const session = this.#session ?? this.#open();
    return new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path });
      let status;
      let text = '';
      stream.on('response', (fields) => {
        status = fields[':status'];
      });
      stream.setEncoding('utf8').on('data', (data) => {
        text += data;
      });
      stream.on('error', (error) => {
        // RFC 9113 §8.7: a refused stream was not looked at.
        const isRefused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
        const isUnsent = /GOAWAY/.test(error.message) || error.code === 'ERR_HTTP2_GOAWAY_SESSION';
        if ((isRefused || isUnsent) && tries < 2) {
          resolve(this.ask(path, expected, tries + 1));
        } else {
          reject(error);
        }
      });
      stream.on('end', () => {
        if (status === 200 && expected.test(text)) {
          resolve();
        } else if (status !== undefined) {
          reject(new Error(`status ${status}, ${text.slice(0, 100)}`));
        }
      });
    });
  }

  close() {
    this.#session?.destroy();
  }
}

function expect(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

function ask(options, expected, body) {
  const { request } = options.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (data) => {
        text += data;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 && expected.test(text)) {
          resolve(text);
        } else {
          reject(new Error(`status ${response.statusCode}, ${text.slice(0, 100)}`));
        }
      });
    });
    asked.on('error', reject);
    if (body === undefined) {
      asked.end();
    } else {
      body(asked);
    }
  });
}

/** An upload that takes a while, so that generations change within. */
function upload(options) {
  const how = { ...options, path: '/upload', method: 'POST' };
  return ask(how, new RegExp(`^${UPLOAD_SUM}$`), async (request) => {
    const PIECES = 4;
    const size = UPLOAD.length / PIECES;
    for (let piece = 0; piece < PIECES; piece++) {
      request.write(UPLOAD.subarray(piece * size, (piece + 1) * size));
      await sleep(40);
    }
    request.end();
  });
}
