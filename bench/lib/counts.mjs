// What is counted, and how each part is separated from the rest.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindingCosts, countProgram, instructions, startCounted } from './callgrind.mjs';
import { Failure } from './failure.mjs';
import { get } from './http.mjs';

const BINDING = 'target/bench/counted.node';
const SERVE = 'target/release/examples/serve';

/** Start-up and end are the same in a short run and in a long one, so the difference is without. */
const SHORT = 100;
const LONG = 1100;

/** How often each JavaScript item is counted. */
const ROUNDS = 8;
/** A client that waits this long finds every thread asleep, so that each request wakes the same. */
const QUIET_MS = 8;
/** An upload comes in pieces of this many bytes, each alone, so that each is one read. */
const PIECE = 64 * 1024;
const PIECES = 16;

/** The codec alone: one request decoded. */
function codec(item) {
  return () => {
    const count = (n) => countProgram('codec', ['target/release/examples/codec', item, String(n)]);
    return { [`codec: ${NAMES[item]}`]: (count(LONG) - count(SHORT)) / (LONG - SHORT) };
  };
}

const NAMES = {
  small: 'a head of one field',
  large: 'a head of 20 fields',
  chunked: 'a body of 16 chunks',
};

/** One request at a server without Node, alone or in a batch of `pipelined`. */
function native(name, path, pipelined) {
  return async () => {
    const count = async (batches) => {
      const { port, stop } = await startCounted('serve', [SERVE, '-p', '0', '-i', '1', '-w', '1']);
      const client = await Client.to(port);
      for (let i = 0; i < batches; i++) await client.ask(get(path).repeat(pipelined), pipelined);
      client.close();
      await stop();
      return instructions('serve');
    };
    const [short, long] = [SHORT, LONG].map((requests) => Math.ceil(requests / pipelined));
    const difference = (await count(long)) - (await count(short));
    return { [name]: difference / (long - short) / pipelined };
  };
}

/**
 * The JavaScript path's native part. A dump after each single request tells what it cost. The
 * least of several counts: threads that meet otherwise take a turn more.
 */
async function javascript() {
  const { port, stop } = await startCounted('node', [
    // `process.getgroups()` enters it twice, so every other profile is empty.
    '--dump-before=getgroups',
    process.execPath,
    'bench/js/counted.mjs',
    BINDING,
  ]);
  const client = await Client.to(port);
  const one = async (path) => {
    await client.ask(get(path), 1);
    await sleep(QUIET_MS);
  };
  const upload = async () => {
    const head = `POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: ${PIECE * PIECES}\r\n\r\n`;
    const answered = client.ask(head, 1);
    for (let i = 0; i < PIECES; i++) {
      await sleep(QUIET_MS);
      client.write(Buffer.alloc(PIECE, 'x'));
    }
    await answered;
    await sleep(QUIET_MS);
  };
  const items = {
    nothing: async () => {},
    'one request': () => one('/'),
    '1 MiB up': upload,
    '10 chunks down': () => one('/chunks'),
  };
  for (let i = 0; i < 10; i++) {
    for (const item of Object.values(items)) await item();
  }
  await one('/mark');
  for (let round = 0; round < ROUNDS; round++) {
    for (const item of Object.values(items)) {
      await item();
      await one('/mark');
    }
  }
  client.close();
  await stop();
  // The first is the start, the last the end. Between two marks there is one item.
  const costs = bindingCosts('node').filter(({ all }) => all > 0);
  const names = Object.keys(items);
  if (costs.length !== names.length * ROUNDS + 2) throw new Failure('a mark was not counted');
  const least = (item, value) => {
    const counts = costs.slice(1, -1).filter((_, i) => i % names.length === item);
    return Math.min(...counts.map(value));
  };
  const loops = ({ all, thread }) => all - thread;
  return Object.fromEntries(
    names.slice(1).flatMap((name, i) => [
      [
        `JavaScript: ${name}, its thread`,
        least(i + 1, (c) => c.thread) - least(0, (c) => c.thread),
      ],
      [`JavaScript: ${name}, the loop`, least(i + 1, loops) - least(0, loops)],
    ]),
  );
}

/** Groups of counts. Each returns its items, in instructions. */
export const GROUPS = {
  small: codec('small'),
  large: codec('large'),
  chunked: codec('chunked'),
  inline: native('inline: one request', '/inline', 1),
  'inline-pipelined': native('inline: one of 16 pipelined', '/inline', 16),
  worker: native('worker: one request', '/', 1),
  'worker-pipelined': native('worker: one of 16 pipelined', '/', 16),
  javascript,
};

/** One connection that asks and waits for whole answers. */
class Client {
  #socket;
  #received = '';
  #answered = null;

  static async to(port) {
    const client = new Client();
    client.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise((resolve, reject) => {
      client.#socket.once('connect', resolve).once('error', reject);
    });
    client.#socket.setEncoding('latin1').on('data', (data) => client.#receive(data));
    client.#socket.on('close', () => client.#answered?.reject(new Failure('the server closed')));
    return client;
  }

  /** Sends bytes, and waits for `count` answers with status 200. */
  ask(bytes, count) {
    return new Promise((resolve, reject) => {
      this.#answered = { count, resolve, reject };
      this.write(bytes);
    });
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  close() {
    this.#answered = null;
    this.#socket.destroy();
  }

  #receive(data) {
    this.#received += data;
    for (let end = endOf(this.#received); end > 0; end = endOf(this.#received)) {
      const answer = this.#received.slice(0, end);
      this.#received = this.#received.slice(end);
      if (!answer.startsWith('HTTP/1.1 200 ')) {
        this.#answered.reject(new Failure(`the answer is wrong: ${answer}`));
      }
      this.#answered.count -= 1;
      if (this.#answered.count === 0) this.#answered.resolve();
    }
  }
}

/** Where the first answer ends; 0 where it is not whole. */
function endOf(text) {
  const head = text.indexOf('\r\n\r\n') + 4;
  if (head < 4) return 0;
  const length = /^content-length: *(\d+)\r$/im.exec(text.slice(0, head))?.[1];
  if (length === undefined) {
    const end = text.indexOf('\r\n0\r\n\r\n', head);
    return end < 0 ? 0 : end + 7;
  }
  const end = head + Number(length);
  return end <= text.length ? end : 0;
}
