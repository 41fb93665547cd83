// What is made of figures: medians and spread, promises, tables, charts, documents.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { benchmarkParts } from '../../scripts/benchmarks.mjs';
import { bestPeer, isOurs, isPeer, kindOf, nodeOf } from '../lib/kinds.mjs';
import { spreads } from '../lib/numbers.mjs';
import { plots } from '../lib/plots.mjs';
import { comparisons, judge } from '../lib/promises.mjs';
import { compact } from '../lib/report.mjs';
import { groups, scenarios } from '../lib/scenarios.mjs';
import { markdown, tables } from '../lib/tables.mjs';

const MIB = 2 ** 20;

/** Figures as a run has them. */
function figures(cpu, more = {}) {
  const around = [cpu, cpu * 0.9, cpu * 1.1];
  return {
    cpu: around,
    rate: [1e6 / cpu, 0.9e6 / cpu, 1.1e6 / cpu],
    p50: around,
    p99: around,
    serverCores: 1,
    clientCores: 0.5,
    errors: 0,
    runs: 5,
    disturbed: 0,
    memory: { start: 50 * MIB, after: 60 * MIB, most: 70 * MIB },
    ...more,
  };
}

function dataOf(results) {
  return {
    date: '2026-01-02T03:04:05.000Z',
    commit: '0123456789abcdef',
    dirty: false,
    machine: {
      cpu: 'a processor',
      cores: 2,
      memoryGiB: 4,
      kernel: '6',
      os: 'an OS',
      loadAtStart: 0,
    },
    versions: { wrk: 'wrk 4' },
    settings: { rounds: 5, duration: 0.8, warmup: 0.5 },
    nodes: { 24: 'v24.1.0', 26: 'v26.1.0' },
    peers: {
      '@oven/bun-linux-x64': '1.0.0',
      '@deno/linux-x64-glibc': '2.0.0',
      express: '5.0.0',
      fastify: '5.0.0',
      hono: '4.0.0',
    },
    skipped: { h2o: 'h2o is missing' },
    commands: { loads: {}, contenders: {} },
    results,
    promises: judge(results),
  };
}

test('the name of a contender says its kind and its Node', () => {
  const names = ['reactor-26', 'hono-reactor-26', 'uws-20', 'bun', 'worker-i4w8', 'face-24@before'];
  assert.deepEqual(names.map(kindOf), ['reactor', 'hono-reactor', 'uws', 'bun', 'worker', 'face']);
  assert.deepEqual(names.map(nodeOf), ['26', '26', '20', null, null, '24']);
  assert.deepEqual(names.map(isOurs), [true, true, false, false, true, true]);
  assert.deepEqual(['bun', 'hono-26', 'nginx', 'control', 'bare-26'].map(isPeer), [
    ...[true, true, false, false, false],
  ]);
});

test('a spread is the median, the least and the most, and null where a value is missing', () => {
  const runs = [
    { cpu: 3, p99: 1 },
    { cpu: 1, p99: null },
    { cpu: 2.123456, p99: 3 },
  ];
  assert.deepEqual(spreads(runs), { cpu: [2.1235, 1, 3], p99: null });
});

test('the best peer is the least of other servers with JavaScript handlers', () => {
  const byName = {
    'reactor-26': figures(4),
    nginx: figures(3),
    bun: figures(6),
    'uws-20': figures(5),
    'node-26': {},
  };
  assert.deepEqual(bestPeer(byName), ['uws-20', 5]);
  assert.equal(bestPeer({ 'reactor-26': figures(4) }), null);
});

test('a promise is judged on the same Node where there is one, and against the best of several', () => {
  const promises = judge({
    'hello-c64': {
      'reactor-24': figures(4),
      'reactor-26': figures(7),
      'uws-24': figures(5),
      'uws-26': figures(8),
      bun: figures(6),
    },
  });
  const told = promises.map(({ text, value, met }) => [text, value, met]);
  assert.deepEqual(told, [
    ['hello-c64: reactor-24, CPU per request ≤ 1 × uws-24', '0.800 ×', true],
    ['hello-c64: reactor-26, CPU per request ≤ 1 × bun', '1.167 ×', false],
  ]);
});

test('a promise of rates wants most, one of memory counts what a run added, and none is judged without figures', () => {
  const promises = judge({
    express: { 'face-26': figures(10), 'node-26': figures(16) },
    'upload-1m-collected': { 'reactor-26': figures(100) },
  });
  const told = promises.map(({ text, value, met }) => [text, value, met]);
  assert.deepEqual(told, [
    ['upload-1m-collected: reactor-26, CPU per request ≤ 1.25 × uws', null, null],
    [
      'upload-1m-collected: reactor-26, growth of memory ≤ the bodies that are open, 8 MiB',
      '20 MiB',
      false,
    ],
    ['express: face-26, rate ≥ 1.5 × node-26', '1.600 ×', true],
    ['face-26, rate ≥ 1 × node-26 in every scenario', '1 of 1', true],
  ]);
});

test('at a share of its own peak, the best peer is the one with the highest peak', () => {
  const [p99] = judge({
    'steady-own-50': {
      'reactor-26': figures(10, { peak: 1000 }),
      'node-26': figures(1, { peak: 100 }),
      bun: figures(20, { peak: 900 }),
    },
  });
  assert.deepEqual([p99.text, p99.met], ['steady-own-50: reactor-26, p99 ≤ 1 × bun', true]);
});

test('reactor-rs/node is compared with node:http wherever both are', () => {
  const promises = judge({
    cookies: { 'face-26': figures(3), 'node-26': figures(2) },
    'json-12k': { 'face-26': figures(2), 'node-26': figures(3), 'face-24': figures(1) },
    // The rate is the same for all: the less CPU, the better.
    events: { 'face-26': figures(2), 'node-26': figures(3) },
  });
  assert.deepEqual(promises, [
    {
      text: 'face-26, rate ≥ 1 × node-26 in every scenario',
      value: '2 of 3, cookies 0.67 ×',
      met: false,
    },
  ]);
});

test('a change is compared with the build before it', () => {
  const results = {
    api: { 'reactor-26': figures(10.4), 'reactor-26@before': figures(10), bun: figures(1) },
  };
  const [{ value, met }, ...others] = comparisons(results);
  assert.deepEqual([value, met, others], ['1.040 ×', false, []]);
});

test('every scenario has a group, and tables and a chart can be made of it', () => {
  const results = Object.fromEntries(
    Object.entries(scenarios).map(([name, { client }]) => {
      const steady = client === 'openloop' ? { peak: 100, target: 50, reached: 5 } : {};
      return [name, { 'reactor-26': figures(4, steady), bun: figures(5, steady) }];
    }),
  );
  const text = tables(results);
  for (const name of Object.keys(scenarios)) assert.ok(text.includes(`### ${name}:`), name);
  const charts = plots(results);
  assert.deepEqual(Object.keys(charts), Object.keys(groups));
  for (const chart of Object.values(charts)) {
    assert.ok(!/NaN|undefined|Infinity/.test(chart));
    assert.ok(chart.includes('prefers-color-scheme: dark'));
  }
  const whole = markdown(dataOf(results), '2026-01-02-all');
  assert.ok(whole.includes('](2026-01-02-all-hello.svg)'));
  assert.ok(whole.includes('- h2o: h2o is missing'));
  assert.ok(!/NaN|undefined|Infinity/.test(whole));
});

test('a file of results has the figures of a contender on one line', () => {
  const data = {
    results: { api: { bun: { cpu: [1.5, 2e-7, 3], memory: { most: 1 } } } },
    list: [{}],
  };
  const text = compact({ ...data, none: undefined, empty: {} });
  assert.ok(text.includes('\n   "bun": {"cpu":[1.5,2e-7,3],"memory":{"most":1}}\n'), text);
  assert.deepEqual(JSON.parse(text), { ...data, empty: {} });
});

test('documents take the newest results of all scenarios, and show who is ahead', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bench-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  const write = (name, cpu) => {
    const results = { 'hello-c64': { 'reactor-26': figures(cpu), bun: figures(5) } };
    writeFileSync(join(root, 'bench/results', name), compact(dataOf(results)));
  };
  write('2026-01-02-all.json', 1);
  write('2026-01-02-all-10.json', 7);
  write('2026-01-02-all-9.json', 2);
  write('2026-01-03-parts.json', 3);
  write('2026-01-01-openloop-all.json', 4);
  const parts = benchmarkParts(root);
  const summary = parts['benchmark-summary']();
  assert.ok(summary.includes('bench/results/2026-01-02-all-10.md'));
  assert.ok(summary.includes('| 64 connections | 7.00 | – | 5.00 | – | – | **1.40 ×** |'), summary);
  assert.equal(parts['benchmark-upload'](), 'Not measured.');
  assert.ok(parts['benchmark-promises']().includes('**missed**'));
  for (const make of Object.values(parts)) assert.ok(!/NaN|undefined/.test(make()), make());
});
