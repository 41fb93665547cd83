#!/usr/bin/env node
// What does a compressed answer of 12 KiB cost, beside the compressor alone?

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  gunzipSync,
  gzipSync,
} from 'node:zlib';
import { countProgram, instructions, startCounted } from './lib/callgrind.mjs';
import { Failure, main } from './lib/failure.mjs';
import { json } from './lib/json.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, median, table, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import { preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';

const usage = `
usage: bench/compressed.mjs [options]

  --seconds N       of each round (default 4)
  --rounds N        of each (default 5)
  --port N          first port to try (default 18900)
  --name NAME       results go to bench/results/DATE-NAME.* (default compressed)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  seconds: 4,
  rounds: 5,
  port: 18900,
  name: 'compressed',
  'no-save': false,
  assert: false,
};

/** What a compressed answer may cost more than one that is not, in times of the compressor alone. */
const MOST = 1.1;

const run = promisify(execFile);

/** The answer to one request, as it was sent. */
function get(port, path, headers, agent = false) {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, headers, agent }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('error', reject);
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(pieces) }));
    });
    asked.on('error', reject).end();
  });
}

const TICKS = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout);
const DECODED = { br: brotliDecompressSync, gzip: gunzipSync };
/** Node's, at the level that answers are usually compressed with. */
const NODE = {
  br: (bytes) =>
    brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 4,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gzip: (bytes) => gzipSync(bytes),
};

/** Microseconds of processor time of a process. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS;
}

/** Microseconds of the server's processor time for a request. */
async function requestsOf(coding, given) {
  const port = await freePort(given.port);
  const command = ['node', 'bench/contenders/json.mjs', '{port}', ...(coding ? [coding] : [])];
  const server = await start(fill(command, port), port);
  try {
    const accept = coding ?? 'identity';
    const answer = await get(port, '/', { 'accept-encoding': accept });
    const decode = DECODED[answer.headers['content-encoding']] ?? ((bytes) => bytes);
    if (decode(answer.body).toString() !== json()) throw new Failure(`a wrong answer in ${accept}`);
    const load = (seconds) =>
      run('wrk', [
        ...['-t1', '-c16', `-d${seconds}s`, '-H', `Accept-Encoding: ${accept}`],
        `http://127.0.0.1:${port}/`,
      ]);
    await load(1);
    const before = cpuOf(server.pid);
    const { stdout } = await load(given.seconds);
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
    if (!(requests > 0) || /Non-2xx/.test(stdout)) throw new Failure(stdout);
    return { cpu: (cpuOf(server.pid) - before) / requests, bytes: answer.body.length };
  } finally {
    await server.stop();
  }
}

/** Microseconds of the compressor alone, over and over on one thread. */
function alone(file) {
  const { stdout, status } = spawnSync('target/release/examples/time', [file], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Failure('target/release/examples/time failed');
  const of = (coding) =>
    Number(new RegExp(`^${coding} Fast: .* in ([\\d.]+)`, 'm').exec(stdout)[1]);
  return { br: of('br'), gzip: of('gzip') };
}

function nodeAlone(coding) {
  const bytes = Buffer.from(json());
  let least = Number.POSITIVE_INFINITY;
  let out;
  for (let n = 0; n < 2000; n++) {
    const begun = process.hrtime.bigint();
    out = NODE[coding](bytes);
    least = Math.min(least, Number(process.hrtime.bigint() - begun) / 1000);
  }
  return { micros: least, bytes: out.length };
}

/** Requests, or compressions, of a short and of a long run: the difference is without the start. */
const SHORT = 20;
const LONG = 220;

/** Instructions of a request to the engine without Node, and of the compressor alone. */
async function counted(file, coding) {
  const alone = (n) =>
    countProgram('times', ['target/release/examples/times', file, coding, String(n)]);
  const engine = async (requests, ...how) => {
    const command = ['target/release/examples/compressed', file, ...how];
    const { port, stop } = await startCounted('compressed', command);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < requests; n++) {
      await get(port, '/', { 'accept-encoding': coding }, agent);
    }
    agent.destroy();
    await stop();
    return instructions('compressed');
  };
  const each = (long, short) => (long - short) / (LONG - SHORT);
  const codec = each(alone(LONG), alone(SHORT));
  const coded = each(await engine(LONG, coding), await engine(SHORT, coding));
  const plain = each(await engine(LONG), await engine(SHORT));
  return { coding, codec, plain, coded, more: coded - plain, times: (coded - plain) / codec };
}

await main(async () => {
  const given = options(usage, settings);
  const about = environment();
  const built = spawnSync(
    'cargo',
    [
      ...['build', '-q', '--release', '-p', 'reactor-compress', '-p', 'reactor-server'],
      ...['--example', 'time', '--example', 'times', '--example', 'compressed'],
    ],
    { stdio: 'inherit' },
  );
  if (built.status !== 0) throw new Failure('cargo build failed');
  const folder = mkdtempSync(join(tmpdir(), 'reactor-bench-'));
  const file = join(folder, 'people.json');
  writeFileSync(file, json());
  const rounds = [];
  for (let round = 0; round < given.rounds; round++) {
    const codec = alone(file);
    const plain = await requestsOf(undefined, given);
    for (const coding of ['br', 'gzip']) {
      const coded = await requestsOf(coding, given);
      const more = coded.cpu - plain.cpu;
      rounds.push({
        coding,
        codec: codec[coding],
        plain: plain.cpu,
        coded: coded.cpu,
        more,
        times: more / codec[coding],
        bytes: coded.bytes,
        node: nodeAlone(coding),
      });
    }
  }
  const counts = [];
  for (const coding of ['br', 'gzip']) counts.push(await counted(file, coding));
  rmSync(folder, { recursive: true, force: true });
  const result = ['br', 'gzip'].map((coding) => {
    const of = (pick) => median(rounds.filter((round) => round.coding === coding).map(pick));
    return {
      coding,
      codec: of((round) => round.codec),
      plain: of((round) => round.plain),
      coded: of((round) => round.coded),
      more: of((round) => round.more),
      times: of((round) => round.times),
      bytes: of((round) => round.bytes),
      node: { micros: of((round) => round.node.micros), bytes: of((round) => round.node.bytes) },
    };
  });
  const targets = counts.map(({ coding, times }) => ({
    text: `${coding}: at most ${MOST} × the instructions of the compressor alone`,
    value: `${fixed(times)} ×`,
    met: times <= MOST,
  }));
  const markdown = [
    preamble('Compressed answers: 12 KiB of JSON from a handler', about),
    '',
    'µs of processor time. "more" is what a compressed answer costs the server beyond one that is not. The compressor alone',
    'runs over and over on one thread. Of node:zlib, brotli 4 and gzip 6, the best round counts.',
    '',
    table(
      [
        'coding',
        'compressor',
        'request as it is',
        'compressed',
        'more',
        'times',
        'bytes',
        'node:zlib',
        'its bytes',
      ],
      result.map((row) => [
        row.coding,
        fixed(row.codec, 1),
        fixed(row.plain, 1),
        fixed(row.coded, 1),
        fixed(row.more, 1),
        fixed(row.times),
        whole(row.bytes),
        fixed(row.node.micros, 1),
        whole(row.node.bytes),
      ]),
    ),
    '',
    'Instructions in user space (callgrind), of the engine without Node:',
    '',
    table(
      ['coding', 'compressor', 'request as it is', 'compressed', 'more', 'times'],
      counts.map((row) => [
        row.coding,
        ...[row.codec, row.plain, row.coded, row.more].map(whole),
        fixed(row.times, 3),
      ]),
    ),
    '',
    verdicts(targets),
  ].join('\n');
  console.log(markdown);
  if (!given['no-save']) save(given.name, { ...about, result, counts, rounds }, markdown);
  return given.assert && targets.some(({ met }) => !met) ? 1 : 0;
});
