// Clients that ask as fast as they are answered, and check every byte.

import { connect } from 'node:net';
import { ANSWERS } from './answers.mjs';
import { ResponseReader } from './reader.mjs';

/** Requests that one connection has out at once. */
const DEPTH = 2;

/** Bytes of a body that are written at once, so that uploads are under way. */
const PIECE = 50_000;

const HEARTBEAT_MS = 20;

/** Some connections that ask for one of {@link ANSWERS} until they are told to stop. */
export class Load {
  /** Complete responses. */
  answers = 0;
  /** Connections that ended within a response. */
  cuts = 0;
  /** Requests that got no byte of a response on a connection that had been answered before. */
  unanswered = 0;
  /** Responses of another status than 200, by status. */
  otherStatuses = new Map();
  /** The longest time that these clients, and all of their process, were held up, in ms. */
  longestStall = 0;
  /** Resolves when no connection is open; rejects for a wrong answer. */
  closed;

  #port;
  #answer;
  #isAsking = true;
  #isReconnecting = true;

  /**
   * @param {number} port
   * @param {keyof ANSWERS} answer
   * @param {number} connections
   */
  constructor(port, answer, connections) {
    this.#port = port;
    this.#answer = ANSWERS[answer];
    this.closed = Promise.all(Array.from({ length: connections }, () => this.#keepAsking()));
    let last = performance.now();
    const beat = () => {
      const now = performance.now();
      this.longestStall = Math.max(this.longestStall, now - last - HEARTBEAT_MS);
      last = now;
    };
    const heartbeat = setInterval(beat, HEARTBEAT_MS).unref();
    // A caller that waits gets it; there may be none yet.
    this.closed
      .catch(() => {})
      .finally(() => {
        beat();
        clearInterval(heartbeat);
      });
  }

  /** No new requests; the connections stay. */
  stopAsking() {
    this.#isAsking = false;
  }

  /** No new connections: another program may get the port from now on. */
  stopConnecting() {
    this.#isReconnecting = false;
  }

  async #keepAsking() {
    while (this.#isReconnecting && (await this.#connection())) {
      // The server has closed it.
    }
  }

  /** One connection to its end; false if there was none. */
  #connection() {
    return new Promise((resolve, reject) => {
      /** Numbers of the requests that have no complete response. */
      const asked = [];
      let isConnected = false;
      const reader = new ResponseReader(() => this.#answer.body(asked.shift()));
      const socket = connect(this.#port, '127.0.0.1', () => {
        isConnected = true;
        socket.setNoDelay(true);
        ask();
      });
      const ask = () => {
        while (this.#isAsking && asked.length < DEPTH && socket.writable && !reader.saysClose) {
          const n = Math.floor(Math.random() * 1e9);
          asked.push(n);
          send(socket, this.#answer.request(n));
        }
      };
      socket.on('data', (bytes) => {
        const before = reader.complete;
        try {
          reader.push(bytes);
        } catch (error) {
          reject(error);
          socket.destroy();
          return;
        }
        this.answers += reader.complete - before;
        ask();
      });
      // A refusal, a reset and a broken pipe are ways to end; what came before counts.
      socket.on('error', () => {});
      socket.on('close', () => {
        for (const [status, count] of reader.otherStatuses) {
          this.otherStatuses.set(status, (this.otherStatuses.get(status) ?? 0) + count);
        }
        try {
          if (reader.end()) {
            this.cuts += 1;
          } else if (reader.complete > 0 && !reader.saysClose) {
            this.unanswered += asked.length;
          }
        } catch (error) {
          reject(error);
        }
        resolve(isConnected);
      });
    });
  }
}

function send(socket, parts) {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PIECE) {
      socket.write(typeof part === 'string' ? part : part.subarray(at, at + PIECE));
    }
  }
}
