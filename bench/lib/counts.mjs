// What is counted, and how each part is separated from the rest.

import { connect } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindingCosts, countProgram, instructions, startCounted } from './callgrind.mjs';
import { Failure } from './failure.mjs';
import { Http2Client } from './frames.mjs';
import { get } from './http.mjs';
import { median } from './numbers.mjs';

const BINDING = resolve('target/bench/counted.node');

/** Start-up and end are the same in a short run and in a long one, so the difference is without. */
const SHORT = 100;
const LONG = 1100;

/** How often each JavaScript item is counted. */
const ROUNDS = 12;
/** A client that waits this long finds every thread asleep, so that each request wakes the same. */
const QUIET_MS = 8;
/** An upload comes in pieces of this many bytes, each alone, so that each is one read. */
const PIECE = 64 * 1024;
const PIECES = 16;

const [ONE, UP, DOWN, HTTP2] = [
  'one request',
  '1 MiB up',
  '10 chunks down',
  'one request over HTTP/2',
].map((n) => `JavaScript: ${n}`);

/** The codec alone: one request decoded. */
function codec(item) {
  const name = `codec: ${NAMES[item]}`;
  const counted = (n) => countProgram('codec', ['target/release/examples/codec', item, String(n)]);
  const count = () => ({ [name]: (counted(LONG) - counted(SHORT)) / (LONG - SHORT) });
  return { items: [name], count };
}

const NAMES = {
  small: 'a head of one field',
  large: 'a head of 20 fields',
  chunked: 'a body of 16 chunks',
};

/**
 * Requests at a server without Node. `ask` sends one, or a batch of `requests`, and waits for the
 * answers.
 */
function native(name, server, ask, requests = 1, connect = (port) => Client.to(port)) {
  const command = [`target/release/examples/${server}`, ...'-p 0 -i 1 -w 1'.split(' ')];
  const counted = async (batches) => {
    const { port, stop } = await startCounted('server', command);
    const client = await connect(port);
    for (let i = 0; i < batches; i++) await ask(client);
    client.close();
    await stop();
    return instructions('server');
  };
  const count = async () => {
    const [short, long] = [SHORT, LONG].map((all) => Math.ceil(all / requests));
    // A turn more in the short run would make the difference too small.
    const least = Math.min(await counted(short), await counted(short));
    return { [name]: ((await counted(long)) - least) / (long - short) / requests };
  };
  return { items: [name], count };
}

/** As `native`, over HTTP/2. */
const native2 = (name, path, requests) =>
  native(
    name,
    'serve',
    (client) => client.ask(requests),
    requests,
    (port) => Http2Client.to(port, path),
  );

const get1 = (path) => (client) => client.ask(get(path), 1);
const get16 = (path) => (client) => client.ask(get(path).repeat(16), 16);

/** 1 MiB up, in pieces that come one at a time. */
async function upload(client) {
  const head = `POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: ${PIECE * PIECES}\r\n\r\n`;
  const answered = client.ask(head, 1);
  for (let i = 0; i < PIECES; i++) {
    await sleep(QUIET_MS);
    client.write(Buffer.alloc(PIECE, 'x'));
  }
  await answered;
}

/**
 * The JavaScript path's native part on the JavaScript thread. A dump after each single request
 * tells what it cost.
 *
 * The median of several counts, not the least: a reply that finds its I/O thread still awake saves
 * the write that wakes it, some 60 instructions. That is rare for one request, so the least has it in
 * some runs only. With ten chunks, each may or may not.
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
  const http2 = await Http2Client.to(port, '/');
  const one = async (path) => {
    await client.ask(get(path), 1);
    await sleep(QUIET_MS);
  };
  const items = {
    nothing: async () => {},
    [ONE]: () => one('/'),
    [UP]: async () => {
      await upload(client);
      await sleep(QUIET_MS);
    },
    [DOWN]: () => one('/chunks'),
    [HTTP2]: async () => {
      await http2.ask();
      await sleep(QUIET_MS);
    },
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
  http2.close();
  await stop();
  // The first is the start, the last the end. Between two marks there is one item.
  const costs = bindingCosts('node').filter(({ all }) => all > 0);
  const names = Object.keys(items);
  if (costs.length !== names.length * ROUNDS + 2) throw new Failure('a mark was not counted');
  const middle = (item) => {
    const counts = costs.slice(1, -1).filter((_, i) => i % names.length === item);
    return median(counts.map(({ thread }) => thread));
  };
  return Object.fromEntries(names.slice(1).map((name, i) => [name, middle(i + 1) - middle(0)]));
}

/**
 * Groups of counts: the names of its items, what counts their instructions, and how many percent
 * more than the baseline they may have, if that is not what all have.
 */
export const GROUPS = {
  small: codec('small'),
  large: codec('large'),
  chunked: codec('chunked'),
  inline: native('inline: one request', 'serve', get1('/inline')),
  'inline-pipelined': native('inline: one of 16 pipelined', 'serve', get16('/inline'), 16),
  http2: native2('HTTP/2 inline: one request', '/inline', 1),
  'http2-streams': native2('HTTP/2 inline: one of 16 streams', '/inline', 16),
  'http2-worker': native2('HTTP/2 worker: one of 16 streams', '/', 16),
  worker: native('worker: one request', 'serve', get1('/')),
  'worker-pipelined': native('worker: one of 16 pipelined', 'serve', get16('/'), 16),
  lane: native('lane: one request', 'lanes', get1('/')),
  'lane-pipelined': native('lane: one of 16 pipelined', 'lanes', get16('/'), 16),
  // How often its threads meet awake depends on the machine. Medians of the same code have differed
  // by 4 % on one machine, and by 9 % between machines while the least was taken.
  javascript: { items: [ONE, UP, DOWN, HTTP2], count: javascript, tolerance: 8 },
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
