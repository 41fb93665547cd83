// What the dashboard keeps in the browser: the code of the page, without a browser.

import { fileURLToPath } from 'node:url';
import test from 'ava';
import { build } from 'esbuild';
import { compare } from '../../dist/cli/monitor/sample.js';

/** A module of the page. */
async function load(name) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../../dashboard/src/${name}.ts`, import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
  });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}

const { History, SLOTS, rowBegin, rowOf } = await load('history');
const { bytes, exact, joined, percent, short, span, time } = await load('format');

/** A snapshot after `n` seconds of 1,000 requests each. */
function snapshot(n, { pid = 42 } = {}) {
  const lane = { lane: 0, state: 'running', inFlight: 7, queued: 2 };
  return {
    pid,
    version: '1.2.3',
    address: '127.0.0.1:8080',
    atMs: n * 1000,
    stats: {
      uptimeMs: n * 1000,
      connections: { accepted: 5 * n, open: 64, refused: 0, acceptPauses: 0, closed: { peer: n } },
      requests: {
        success: 900 * n,
        redirect: 0,
        clientError: 90 * n,
        serverError: 10 * n,
        latency: { maxNs: 5_350_000 },
      },
      bytes: { received: 1000 * n, sent: 9000 * n },
      tls: null,
      webSockets: null,
      http2: null,
      handlers: { inFlight: 7 },
      tasks: { queueDepth: 0, queueCapacity: 4096, rejected: 0 },
      ioThreads: [],
      lanes: [lane],
      accessLog: null,
    },
    latency: [
      [10_000, 1_000],
      [40_000, 900 * n],
      [200_000, 90 * n],
      [5_500_000, 10 * n],
    ],
    threads: [{ name: 'main', runningNs: n * 0.25e9, waitingNs: n * 0.25e9 }],
    lanes: [lane],
    process: { cpuMs: n * 1250, resident: 2 ** 26, openFiles: 84, threads: 30 },
  };
}

/** A history with a snapshot each second, from and to these. */
function recorded(from, to) {
  const history = new History();
  for (let n = from; n <= to; n++) {
    history.add(snapshot(n), n * 1000 + 500);
  }
  return history;
}

test('rates and percentiles are those of the monitor in the terminal', (t) => {
  const history = recorded(100, 102);
  const sample = compare(snapshot(101), snapshot(102));
  const get = (name) => history.get(name, 102);
  t.is(get('answered'), sample.requests.total);
  t.is(get('success'), sample.requests.success);
  t.is(get('serverError'), sample.requests.serverError);
  t.is(get('sent'), sample.sentBytes);
  t.is(get('accepted'), sample.connections.accepted);
  t.is(get('cpu'), sample.process.cpu);
  t.is(get('thread main'), sample.threads[0].busy);
  for (const name of ['p50', 'p90', 'p99', 'max']) {
    t.is(get(name), sample.latency[name] * 1000, name);
  }
  const heat = history.heat(102);
  t.is(heat[rowOf(39_000)], 900);
  t.is(heat[rowOf(5_400_000)], 10);
  t.is(
    heat.reduce((sum, count) => sum + count, 0),
    1000,
  );
});

test('late timers leave no gap; unanswered questions do', (t) => {
  const history = recorded(100, 103);
  history.add(snapshot(107), 107_900);
  for (const slot of [104, 105, 106, 107]) {
    t.is(history.get('answered', slot), 1000, `${slot}`);
  }
  t.is(Math.round(history.heat(105)[rowOf(39_000)]), 900);
  history.broken();
  history.add(snapshot(112), 112_500);
  history.add(snapshot(113), 113_500);
  t.deepEqual(
    [108, 109, 110, 111, 113].map((slot) => history.has(slot)),
    [false, false, false, false, true],
  );
});

test('a restart is marked, and counts nothing twice', (t) => {
  const history = recorded(100, 103);
  history.broken();
  history.add(snapshot(1, { pid: 43 }), 104_500);
  history.add(snapshot(2, { pid: 43 }), 105_500);
  t.deepEqual(history.marks, [{ slot: 104, text: 'restart · pid 43' }]);
  t.is(history.get('answered', 105), 1000);
  // The same process id, as the first process of a container has it.
  history.add(snapshot(1, { pid: 43 }), 106_500);
  t.is(history.marks.at(-1).text, 'restart · pid 43');
  // Nothing went unanswered: the sockets were handed on.
  history.add(snapshot(1, { pid: 44 }), 107_500);
  t.is(history.marks.at(-1).text, 'successor · pid 44');
  for (let n = 0; n < 50; n++) {
    history.add(snapshot(1, { pid: 100 + n }), 108_500 + n * 1000);
  }
  t.is(history.marks.length, 10);
});

test('it keeps ten minutes', (t) => {
  const history = recorded(100, 100 + 2 * SLOTS);
  t.is(history.last, 100 + 2 * SLOTS);
  t.true(history.has(history.last - SLOTS + 1));
  t.false(history.has(history.last - SLOTS));
  t.is(history.get('no such name', history.last), Number.NaN);
  history.add(snapshot(5000), 50_500);
  t.is(history.last, 0, 'the clock was set back');
});

test('rows of the heat map', (t) => {
  for (const ns of [1, 999, 1000, 31_000, 1e6, 5e8, 1e11, 1e15]) {
    const row = rowOf(ns);
    t.true(row === 0 || rowBegin(row) <= ns * 1.0001, `${ns}`);
    t.true(row === rowOf(1e15) || ns < rowBegin(row + 1), `${ns}`);
  }
});

test('numbers with their units', (t) => {
  t.deepEqual([0, 0.4, 7, 99.6, 3544, 12_345, 123_456, 4.2e6, Number.NaN].map(short), [
    '0',
    '0.4',
    '7',
    '100',
    '3,544',
    '12.3k',
    '123k',
    '4.2M',
    '–',
  ]);
  t.deepEqual(
    [0, 1023, 1024, 70 * 2 ** 20, 2 ** 31].map((n) => joined(bytes(n))),
    ['0 B', '1,023 B', '1.0 KiB', '70.0 MiB', '2.0 GiB'],
  );
  t.deepEqual(
    [950, 12_500, 999_700, 74e6, 1.2e9].map((n) => joined(time(n))),
    ['950 ns', '12.5 µs', '1.00 ms', '74.0 ms', '1.20 s'],
  );
  t.deepEqual(
    [0, 0.0001, 0.006, 0.5, 4.94].map((n) => joined(percent(n))),
    ['0 %', '<0.1 %', '0.6 %', '50 %', '494 %'],
  );
  t.deepEqual([5_000, 65_000, 7_260_000, 93_600_000].map(span), [
    '5 s',
    '1 min 5 s',
    '2 h 1 min',
    '1 d 2 h',
  ]);
  t.is(exact(1_234_567), '1,234,567');
});
