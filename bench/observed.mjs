#!/usr/bin/env node
// What does it cost to be watched? Every server twice: with all that there is, and with none of it. All is
// a JSON access log with traces, metrics, and a monitor. Subscribers of the channel have rows of their own.

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import { join, relative } from 'node:path';
import { installed } from '../scripts/trials/ops/tracing/installed.mjs';
import { Failure, main } from './lib/failure.mjs';
import { ask, get } from './lib/http.mjs';
import { bench, benchArgs } from './lib/load.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, median, medians, table, times, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';
import { measure } from './lib/wrk.mjs';

const COMMAND = ['node', 'dist/cli/bin.js', 'serve', '-q', '-H', '127.0.0.1', '-p', '{port}'];
const MODULE = 'bench/contenders/routes.mjs';

const INLINE = [...COMMAND, '-i', '1', '-w', '1', MODULE];
const JAVASCRIPT = [...COMMAND, '-i', 'auto', '-w', 'auto', MODULE];

/** All that watches, but for the access log. */
const UNLOGGED = 'all but the log';

/** Who answers; each is asked for the same body. `by` says who watches, if not all. */
const subjects = {
  inline: { command: INLINE, path: '/inline' },
  worker: { command: [...COMMAND, '-i', '1', '-w', '1'], path: '/' },
  javascript: { command: JAVASCRIPT, path: '/' },
  'javascript-c1': { command: JAVASCRIPT, path: '/', connections: 1 },
  hono: { command: [...COMMAND, 'bench/contenders/hono-module.mjs'], path: '/' },
  'inline-unlogged': { command: INLINE, path: '/inline', by: UNLOGGED },
  'javascript-unlogged': { command: JAVASCRIPT, path: '/', by: UNLOGGED },
  channel: { command: JAVASCRIPT, path: '/', by: 'channel' },
  opentelemetry: { command: JAVASCRIPT, path: '/', by: 'opentelemetry' },
};

const usage = `
usage: bench/observed.mjs [options]

Takes dist/ and the native binding as they are: npm run build.

  --only A,B        who answers: ${Object.keys(subjects).join(', ')} (default all)
  --connections N   (default 64)
  --rounds N        rounds, each server once watched and once not (default 5)
  --duration S      seconds per timed run (default 2)
  --port N          first port to try (default 18700)
  --name NAME       results go to bench/results/DATE-NAME.* (default observed)
  --no-save         print only
  --assert          exit 1 when the promise is missed
`;

const settings = {
  only: [],
  connections: 64,
  rounds: 5,
  duration: 2,
  port: 18700,
  name: 'observed',
  'no-save': false,
  assert: false,
};

const FOLDER = 'target/bench/observed';

/** The most CPU time that a request may take of a server that is watched, to one that is not. */
const MOST = 1.05;

const BODY = 'Hello, World!';

await main(async () => {
  const options_ = options(usage, settings);
  const chosen = pick('subject', subjects, options_.only);
  const environs = environment();
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });

  const pairs = [];
  let port = options_.port;
  for (const [name, { command, path, connections, by }] of chosen) {
    const off = await startOne(name, [...command, '--control', 'false'], path, port);
    const on = await (by === undefined || by === UNLOGGED
      ? startWatched(name, command, path, off.port + 1, by === undefined)
      : startObserved(name, [...command, '--control', 'false'], path, off.port + 1, by));
    if (on === null) {
      await off.stop();
      continue;
    }
    pairs.push({ name, off, on, connections: connections ?? options_.connections, by });
    port = (on.metrics ?? on.port) + 1;
  }
  const runs = await runAll(pairs, options_);
  const logs = {};
  for (const { name, off, on } of pairs) {
    logs[name] = on.log === undefined ? await leave(on) : await finish(on);
    await off.stop();
  }
  rmSync(FOLDER, { recursive: true });

  const summary = summarise(pairs, runs);
  const targets = judge(summary, logs);
  const text = tables(summary, logs);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) {
    const { connections, rounds, duration } = options_;
    const data = {
      ...environs,
      settings: { connections, rounds, duration },
      commands: pairs.flatMap(({ off, on }) =>
        [off.command, on.command, on.monitorCommand ?? []].flat(),
      ),
      client: `reactor-rs ${benchArgs({ connections }, { url: 'URL' }, duration).join(' ')}`,
      medians: summary,
      logs,
      targets,
    };
    save(options_.name, data, markdown(data, text, disturbance(runs)));
  }
  return options_.assert && targets.some(({ met }) => met !== true) ? 1 : 0;
});

/** A server whose answer has been checked, and which has compiled what it runs often. */
async function startOne(name, command, path, firstPort, env = {}) {
  const port = await freePort(firstPort);
  const server = await start(command, port, { env });
  const answers = await ask(port, get(path).repeat(16), 16);
  if (
    answers.length !== 16 ||
    answers.some(({ status, body }) => status !== 200 || body !== BODY)
  ) {
    throw new Failure(`${name} answers ${path} with ${JSON.stringify(answers)}`);
  }
  const target = { url: `http://127.0.0.1:${port}${path}` };
  await bench({ connections: 64 }, target, 1);
  const named = Object.entries(env).map(([variable, value]) => `${variable}=${value} `);
  return { ...server, port, target, command: named.join('') + fill(command, port).join(' ') };
}

/** A server on whose channel of requests somebody listens. Null where that cannot be installed. */
async function startObserved(name, command, path, firstPort, by) {
  if (by === 'channel') {
    const hook = './bench/contenders/subscriber.mjs';
    return startOne(name, command, path, firstPort, { NODE_OPTIONS: `--import ${hook}` });
  }
  const { folder, why } = await installed();
  if (folder === null) {
    console.error(`bench: ${name} is left out: ${why}`);
    return null;
  }
  // It takes what it is sent, as a collector would. Its CPU is not the server's.
  const sink = http.createServer((request, response) =>
    request.resume().on('end', () => response.end('{}')),
  );
  await new Promise((listening) => sink.listen(0, '127.0.0.1', listening));
  sink.unref();
  return startOne(name, command, path, firstPort, {
    NODE_OPTIONS: `--import ./${relative('.', join(folder, 'example', 'tracing.mjs'))}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sink.address().port}`,
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
  });
}

/** A server with a log, a monitor that looks every second, and somebody who scrapes as often. */
async function startWatched(name, command, path, firstPort, hasLog) {
  const file = `${FOLDER}/${name.replaceAll(/\W+/g, '-')}`;
  const log = hasLog ? `${file}.log` : undefined;
  const control = `${file}.sock`;
  const port = await freePort(firstPort);
  const metrics = await freePort(port + 1);
  const watched = hasLog ? ['--access-log', log, '--log-format', 'json', '--trace'] : ['--trace'];
  watched.push('--metrics', String(metrics), '--control', control);
  const server = await startOne(name, [...command, ...watched], path, port);
  const monitorCommand = ['dist/cli/bin.js', 'monitor', `./${control}`, '--json', '-n', '1'];
  const monitor = spawn('node', monitorCommand, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => monitor.kill('SIGKILL'));
  let samples = 0;
  monitor.stdout.setEncoding('utf8').on('data', (text) => {
    samples += text.split('\n').length - 1;
  });
  let scrapes = 0;
  const scraper = setInterval(async () => {
    await scrape(metrics);
    // As the dashboard does.
    await ask(metrics, get('/snapshot'));
    scrapes += 1;
  }, 1000);
  return {
    ...server,
    metrics,
    log,
    monitorCommand: `node ${monitorCommand.join(' ')}`,
    /** Ends the watching; what came of it. */
    leave: () => {
      clearInterval(scraper);
      monitor.kill('SIGKILL');
      return { samples, scrapes };
    },
  };
}

/** Metrics by name and labels. */
async function scrape(port) {
  const [answer] = await ask(port, get('/metrics'));
  if (answer?.status !== 200) throw new Failure(`/metrics answers ${answer?.status}`);
  const lines = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** Ends a server without a log, of which nothing is told. */
async function leave(on) {
  on.leave?.();
  await on.stop();
  return null;
}

/** What was watched of a server and its log, which is complete once it has stopped. */
async function finish(on) {
  const metrics = await scrape(on.metrics);
  const requests = metrics['reactor_http_requests_total{code="2xx"}'];
  const lost = metrics.reactor_access_log_records_lost_total;
  const watched = on.leave();
  await on.stop();
  return { requests, lost, bytes: statSync(on.log).size, ...watched };
}

async function runAll(pairs, { rounds, duration }) {
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    for (const { name, off, on, connections } of pairs) {
      const both = [
        ['off', off],
        ['on', on],
      ];
      // Each goes first in turn.
      for (const [watched, server] of round % 2 === 0 ? both : both.reverse()) {
        const run = await measure(server.pid, { connections }, server.target, duration, bench);
        runs.push({ round: round + 1, subject: name, watched, ...run });
        console.error(
          `bench: round ${round + 1} ${name} ${watched}: ${whole(run.rate)} req/s, ${fixed(run.cpu)} µs`,
        );
      }
    }
  }
  return runs;
}

/** subject → off, on, and the ratio of the two within each round. */
function summarise(pairs, runs) {
  return Object.fromEntries(
    pairs.map(({ name, by }) => {
      const of = (watched) => {
        return runs.filter((run) => run.subject === name && run.watched === watched);
      };
      const [off, on] = [of('off'), of('on')];
      const ratios = on.map((run, index) => run.cpu / off[index].cpu);
      const errors = [...off, ...on].reduce((sum, run) => sum + run.errors, 0);
      const ratio = median(ratios);
      return [name, { off: medians(off), on: medians(on), ratio, errors, by: by ?? 'all' }];
    }),
  );
}

/** By the ratios within each round: the machine's speed changes between them. */
function judge(summary, logs) {
  return Object.entries(summary)
    .filter(([, { by }]) => by === 'all')
    .flatMap(([name, { ratio, errors }]) => [
      {
        text: `${name}: CPU per request with everything on ≤ ${MOST} × without`,
        value: times(ratio),
        met: errors === 0 && ratio <= MOST,
      },
      {
        text: `${name}: the log has every request`,
        value: `${whole(logs[name].lost)} of ${whole(logs[name].requests)} lost`,
        met: logs[name].lost === 0,
      },
    ]);
}

function tables(summary, logs) {
  const head = ['answered by', 'watched', 'CPU µs', 'to off', 'by rounds', 'req/s', 'p50 µs'];
  head.push('p99 µs', 'server cores', 'lost', 'errors');
  const rows = Object.entries(summary).flatMap(([name, { off, on, ratio, errors, by }]) =>
    [
      ['off', off, null],
      [by, on, ratio],
    ].map(([watched, m, rounds]) => [
      name,
      watched,
      fixed(m.cpu),
      times(m.cpu / off.cpu),
      times(rounds),
      whole(m.rate),
      whole(m.p50),
      whole(m.p99),
      fixed(m.serverCores),
      watched === 'all' ? whole(logs[name].lost) : '–',
      String(errors),
    ]),
  );
  return table(head, rows);
}

function markdown(data, text, disturbed) {
  const { connections, rounds, duration } = data.settings;
  const logs = Object.entries(data.logs).filter(([, log]) => log !== null);
  const watching = logs.map(([name, log]) => {
    return `- ${name}: ${whole(log.requests)} requests, ${whole(log.bytes)} bytes of log, ${log.samples} samples of the monitor, ${log.scrapes} scrapes`;
  });
  return [
    preamble('A server that is watched', data),
    `Medians of ${rounds} interleaved runs of ${duration} s at ${connections} connections. CPU is the server's user and system time per request, all of its threads. "By rounds" is the median of its ratios within each round. "all" is a JSON access log with traces in a file, \`reactor-rs monitor\` with a sample a second, and a scrape of the metrics and of the dashboard's snapshot a second. "channel" is a store and subscribers of \`reactor-rs:request\` that do nothing else. "opentelemetry" is [examples/opentelemetry](../../examples/opentelemetry/tracing.mjs): a span for each request, sent to a collector. Other cores include the monitor's.`,
    text,
    watching.join('\n'),
    '## Promises',
    verdicts(data.targets) + disturbed,
    '## Commands',
    ['```', ...data.commands, data.client, '```'].join('\n'),
  ].join('\n\n');
}
