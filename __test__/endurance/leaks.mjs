// Many requests of every kind, and what a server holds on to after them.

import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { launch } from '../support/command.mjs';
import { ResponseReader } from './reader.mjs';

const SERVER = fileURLToPath(new URL('leak-server.mjs', import.meta.url));

/** The server is measured so many times in a trial, with no request under way. */
const LAPS = 32;

/**
 * A leak grows on for as long as requests come. The heap of malloc also grows
 * where what is freed happens to lie badly, and then stays as it is. So what a
 * trial finds counts only if it is found in each of so many.
 */
const TRIALS = 3;

const CONNECTIONS = 8;

/** Requests that go out in one piece. */
const DEPTH = 64;

/** Bytes per request that count as a leak: half of what must not be missed. */
const LEAK = 50;

/**
 * What goes up and down for other reasons, in bytes. V8 takes and returns memory
 * in large steps, so what is resident tells something only after many requests;
 * before that the others do.
 */
const NOISE = { resident: 16 * 2 ** 20, native: 2 ** 19, javascript: 2 ** 18 };

const SMALL = 'small '.repeat(300);
const LARGE = 'large '.repeat(20_000);

/**
 * What the connections do in turn. A batch is pipelined. A `part` is one request,
 * or its beginning, after which the client leaves: at once, or when it has had
 * that many bytes.
 */
const TURNS = [
  ...[batch(mixed()), batch(mixed()), batch(streams())],
  ...[batch(mixed()), batch(mixed()), batch(uploads())],
  { part: post('/upload', LARGE).slice(0, 50_000) },
  { part: get('/endless'), bytes: 100_000 },
  { part: get('/stream'), bytes: 1 },
  ...[batch(mixed()), batch(mixed())],
  { part: get('/broken'), bytes: Number.POSITIVE_INFINITY },
  { part: get('/never').repeat(3) },
  { part: get('/plain/1').slice(0, 20) },
];

/**
 * Sends so many requests, and measures; as many again where something has grown.
 *
 * @param {object} what
 * @param {number} what.requests those of one trial
 * @param {number} [what.leak] the bytes that the server keeps for some requests
 * @param {string} [what.node]
 * @param {(measured: object) => void} [what.onLap]
 * @returns the requests that were sent, the measurements, and what is wrong with them
 */
export async function watch({ requests, leak = 0, node = process.execPath, onLap }) {
  const child = launch(['--expose-gc', SERVER, String(leak)], {
    file: node,
    // One heap for all threads: it can be measured, and what one thread has
    // freed is there for the next.
    env: { MALLOC_ARENA_MAX: '1' },
  });
  const closed = once(child.process, 'close');
  try {
    const [line] = await Promise.race([once(child.process.stdout, 'data'), closed]);
    const port = Number(String(line).slice('listening '.length));
    const counter = { sent: 0, turn: 0 };
    const laps = [];
    let problems = [];
    for (let trial = 0; trial < TRIALS; trial++) {
      const start = counter.sent;
      for (let lap = 1; lap <= LAPS; lap++) {
        const goal = start + (requests * lap) / LAPS;
        await Promise.all(Array.from({ length: CONNECTIONS }, () => lapOf(port, counter, goal)));
        const measured = { sent: counter.sent, ...(await settled(port)) };
        laps.push(measured);
        onLap?.(measured);
      }
      problems = judge(laps.slice(-LAPS));
      if (problems.length === 0) {
        break;
      }
    }
    if (child.stderr() !== '') {
      problems.push(`it prints ${JSON.stringify(child.stderr().slice(0, 500))}`);
    }
    return { sent: counter.sent, laps, problems };
  } finally {
    child.process.kill('SIGKILL');
    await closed;
  }
}

/** What has grown from the second quarter to the last, though nothing should. */
function judge(laps) {
  const quarter = laps.length / 4;
  // The least of each: what is resident goes up and down.
  const least = (name, number) =>
    Math.min(...laps.slice(quarter * (number - 1), quarter * number).map((lap) => lap[name]));
  const between = laps.at(-1).sent - laps[quarter * 2 - 1].sent;
  const problems = [];
  for (const [name, noise] of Object.entries(NOISE)) {
    const growth = least(name, 4) - least(name, 2);
    if (growth > LEAK * between + noise) {
      problems.push(`${name} memory grew by ${(growth / between).toFixed(0)} bytes a request`);
    }
  }
  for (const name of ['descriptors', 'threads', 'resources', 'connections']) {
    if (least(name, 4) > least(name, 2)) {
      problems.push(`${name} grew from ${least(name, 2)} to ${least(name, 4)}`);
    }
  }
  return problems;
}

/** Takes turns until enough has been sent by all. */
async function lapOf(port, counter, goal) {
  let connection = null;
  while (counter.sent < goal) {
    const turn = TURNS[counter.turn % TURNS.length];
    counter.turn += 1;
    if (turn.part !== undefined) {
      counter.sent += 1;
      await leave(port, turn);
      continue;
    }
    connection ??= await open(port);
    counter.sent += turn.expected.length;
    await connection.ask(turn);
  }
  connection?.close();
}

async function open(port) {
  const expected = [];
  const reader = new ResponseReader(() => expected.shift());
  const socket = connect(port, '127.0.0.1');
  let wake = () => {};
  let failure = null;
  socket.on('data', (bytes) => {
    try {
      reader.push(bytes);
    } catch (error) {
      failure = error;
    }
    wake();
  });
  socket.on('error', (error) => {
    failure = error;
  });
  socket.on('close', () => {
    failure ??= new Error('the server has closed a connection');
    wake();
  });
  await once(socket, 'connect');
  return {
    async ask(turn) {
      const goal = reader.complete + turn.expected.length;
      expected.push(...turn.expected);
      socket.write(turn.bytes);
      while (reader.complete < goal) {
        if (failure !== null) {
          throw failure;
        }
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
    },
    close: () => socket.destroy(),
  };
}

/** Sends a part, waits for so many bytes or the end, and is gone. */
async function leave(port, { part, bytes = 0 }) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  await new Promise((resolve) => socket.write(part, resolve));
  let received = 0;
  const closed = new Promise((resolve) => {
    socket.on('close', resolve);
  });
  if (bytes > 0) {
    await Promise.race([
      closed,
      new Promise((resolve) => {
        socket.on('data', (data) => {
          received += data.length;
          if (received >= bytes) {
            resolve();
          }
        });
      }),
    ]);
  }
  // By turns with a FIN and with a reset.
  if (part.length % 2 === 0) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
  await closed;
}

/** What the server holds, once it has noticed that everybody else has left. */
async function settled(port) {
  const connection = connect(port, '127.0.0.1');
  connection.setEncoding('latin1');
  for (let patience = 500; ; patience--) {
    connection.write(get('/measure'));
    const [text] = await once(connection, 'data');
    const measured = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
    if (measured.connections === 1 || patience === 0) {
      connection.destroy();
      return measured;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Requests with the bodies of their responses, `null` where the status is not 200. */
function batch(requests) {
  return {
    bytes: Buffer.from(requests.map(([request]) => request).join('')),
    expected: requests.map(([, body]) => body),
  };
}

function mixed() {
  return Array.from({ length: DEPTH }, (_, n) => {
    switch (n % 8) {
      case 0:
        return [get('/native'), 'native'];
      case 1:
        return [get('/later'), 'name'];
      case 2:
        return [n % 16 === 2 ? get('/error') : get('/rejection'), null];
      case 3:
        return [get('/nowhere'), null];
      case 4:
        return [post('/text', SMALL), 'small'];
      default:
        return [get(`/plain/${n}`), String(n)];
    }
  });
}

function streams() {
  return Array.from({ length: DEPTH / 4 }, () => [get('/stream'), 'x'.repeat(4000)]);
}

function uploads() {
  return [
    [post('/upload', LARGE), String(LARGE.length)],
    [post('/upload', SMALL), String(SMALL.length)],
    [post('/text', LARGE), 'large'],
    [chunked('/upload', [SMALL, LARGE, SMALL]), String(2 * SMALL.length + LARGE.length)],
    [chunked('/text', [SMALL]), 'small'],
  ];
}

function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\nX-Name: name\r\n\r\n`;
}

function post(path, body) {
  return `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function chunked(path, chunks) {
  const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `POST ${path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n${coded}0\r\n\r\n`;
}
