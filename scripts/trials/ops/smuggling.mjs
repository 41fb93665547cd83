// Request smuggling through HAProxy, nginx and Envoy, as examples/ configures them: what one client
// sends must not become another's request, nor its answer another's answer.
//
//   node scripts/trials/ops/smuggling.mjs [--only haproxy] [--case TEXT] [--seconds 5] [--all] [--seed N]
//
// In the time that it has, it tries the cases in an order of chance, and every second time one that was
// changed at random; `--all` tries all cases as they are.
//
// Each case is sent by one connection. While that is open, and after it, somebody else asks by a
// connection of their own; the front has one pool of connections to the program for both. Each request
// gets an identity by the front, which the client cannot know: so every request that the program
// sees must be one that the front has sent, once, with the same method and target, and every answer
// must be that to its own request.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Raw } from '../../../__test__/http2/raw.mjs';
import { check, finish } from '../lib.mjs';
import { corpus } from './corpus.mjs';
import { fronts, startFront } from './fronts.mjs';
import { http1Attacks, POISON } from './smuggling-http1.mjs';
import { http2Attacks } from './smuggling-http2.mjs';
import { Dice, mutated } from './smuggling-mutations.mjs';
import {
  ignorant,
  isSameMethod,
  isSamePath,
  isUnlogged,
  readLog,
  real,
  SETUP,
  trusting,
} from './smuggling-program.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    case: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    all: { type: 'boolean', default: false },
    seed: { type: 'string' },
  },
});
const SECONDS = Number(values.seconds);
/** Fronts of one kind, each with a program of its own. */
const LANES = values.case ? 1 : 6;
/** Milliseconds without a byte, after which no more answers are waited for. */
const QUIET = 25;

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
console.log(`# seed ${seed}`);
const dice = new Dice(seed);
const folder = mkdtempSync(join(tmpdir(), 'reactor-smuggling-'));
writeFileSync(join(folder, 'file.txt'), 'a file');
const found = await fronts(values.only?.split(','));
const attacks = cases();
await check('a program that takes bodies for requests is found out', async () => {
  const [front] = found.values();
  if (front === undefined) return 'nothing to try it with';
  const simple = http1Attacks().filter(({ name }) => /^CL\.0 POST /.test(name));
  const { faults } = await through(front, simple, { lanes: 1, seconds: 5, start: ignorant });
  assert(faults.length > simple.length, `${faults.length} faults`);
  return `${faults.length} faults`;
});
for (const front of found.values()) {
  const { name, version } = front;
  await check(`${name} ${version}: no request and no answer is another's`, () => judged(front));
  if (name !== 'nginx') {
    await check(`${name}: nor where it speaks HTTP/2 with the program`, () =>
      judged({ ...front, speaksHttp2: true }),
    );
  }
}
rmSync(folder, { recursive: true });
finish();
process.exit();

/** All cases in an order of chance: as many are tried as there is time for. */
function cases() {
  const kinds = Object.values(POISON);
  const old = corpus()
    .filter(({ pieces }) => pieces.reduce((sum, { length }) => sum + length, 0) < 50_000)
    .flatMap(({ name, pieces }) =>
      kinds.map((poison) => ({
        name: `corpus: ${name}`,
        pieces: [...pieces.flatMap((piece) => [piece, 20]).slice(0, -1), poison],
      })),
    );
  const all = [...http1Attacks(), ...http2Attacks(), ...old];
  if (values.case) return all.filter(({ name }) => name.includes(values.case));
  for (let i = all.length - 1; i > 0; i--) {
    const other = dice.below(i + 1);
    [all[i], all[other]] = [all[other], all[i]];
  }
  return values.all
    ? all
    : all.flatMap((one, i) => [one, mutated(all[(i * 7) % all.length], dice)]);
}

async function judged(front) {
  const { faults, tried, seen, shared, victims } = await through(front, attacks, {
    lanes: LANES,
    seconds: SECONDS,
    start: front.speaksHttp2 ? trusting : real,
  });
  const first = faults.slice(0, 10).map((text) => text.slice(0, 400));
  assert.deepEqual(first, [], `${faults.length} faults in ${tried} cases`);
  assert(values.case || shared > victims / 3, `only ${shared} of ${victims} shared a connection`);
  return `${tried} cases, ${seen} requests came through, ${shared} of ${victims} other clients had a connection that a case had used`;
}

async function through(front, attacks, { lanes: count, seconds, start }) {
  const isWhole = values.all || values.case;
  const until = isWhole ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  const todo = attacks.values();
  const lanes = await Promise.all(
    Array.from({ length: count }, (_, i) => openLane(front, i, start)),
  );
  const faults = [];
  let tried = 0;
  await Promise.all(
    lanes.map(async (lane) => {
      for (const attack of todo) {
        if (performance.now() > until) break;
        tried++;
        await lane.attack(attack, faults);
      }
    }),
  );
  await sleep(300);
  const sum = { faults, tried, seen: 0, shared: 0, victims: 0 };
  for (const lane of lanes) {
    const counts = await lane.close(faults);
    for (const name in counts) sum[name] += counts[name];
  }
  return sum;
}

/** A front and a program, and what either has seen. */
async function openLane(front, index, start) {
  const place = mkdtempSync(join(folder, `${front.name}-`));
  const seen = [];
  let current = '';
  const server = await start(seen, () => current, `${place}.log`);
  const balancer = await startFront(front, {
    folder: place,
    programs: [server.port],
    isSingle: true,
    ...SETUP[front.name](front.speaksHttp2),
  });
  /** Ports of connections that a case has used. */
  const used = new Set();
  const counts = { seen: 0, shared: 0, victims: 0 };
  let n = 0;

  /** Somebody else. */
  async function victim(name, faults) {
    const token = `${index}-${++n}`;
    counts.victims++;
    try {
      const { status, body } = await ask(balancer.port, token);
      const saw = status === 200 ? JSON.parse(body) : { status, body };
      const { port, serial, front, ...rest } = saw;
      const wanted = {
        method: 'GET',
        path: `/victim/${token}`,
        token,
        swallows: null,
        host: 'victim',
        body: '',
      };
      assert.deepEqual(rest, wanted);
      if (used.has(port)) counts.shared++;
    } catch (error) {
      const at = `${front.name} ${index} at ${Math.round(performance.now())} ms`;
      faults.push(`${name}: somebody else's request, ${at}: ${error.code} ${error.message}`);
    }
  }

  return {
    async attack({ name, pieces, http2 }, faults) {
      current = name;
      const before = seen.length;
      const close = await (http2
        ? sendHttp2(balancer.http2Port, pieces)
        : send(balancer.port, pieces));
      for (const { port } of seen.slice(before)) used.add(port);
      await victim(name, faults);
      close();
      await victim(name, faults);
    },

    /** Compares what the front has sent with what the program has seen. */
    async close(faults) {
      await balancer.stop();
      await server.stop({ force: true });
      counts.seen = seen.length;
      const log = readLog(front, balancer.log());
      const known = new Set();
      for (const request of seen) {
        const told = `${request.case}: the program saw ${request.method} ${request.path} of ${request.front}`;
        const sent = log.get(request.front);
        if (known.has(request.front)) faults.push(`${told} twice`);
        else if (sent === undefined) {
          if (!isUnlogged(front, request)) faults.push(`${told}, which the front has not sent`);
        } else if (!isSameMethod(front, sent, request) || !isSamePath(sent.uri, request.path)) {
          faults.push(`${told}, and the front sent ${sent.method} ${sent.uri}`);
        } else if (/^\d+$/.test(sent.seen) && sent.seen !== String(request.serial)) {
          faults.push(`${told}, and the front got the answer to another: ${sent.seen}`);
        }
        known.add(request.front);
      }
      // Those that the engine refused or answered itself, which no handler has seen.
      const lines = readFileSync(`${place}.log`, 'utf8').trim().split('\n').filter(Boolean);
      const answered = lines
        .map((line) => JSON.parse(line))
        .filter(
          ({ target, outcome }) => outcome !== 'aborted' && !/\/(readyz|healthz)/.test(target),
        );
      const sent = [...log.values()].filter(
        ({ server: at }) => at !== '' && at !== '-' && at !== '<NOSRV>',
      ).length;
      if (answered.length > sent)
        faults.push(
          `${front.name}: it sent ${sent} requests, and the program answered ${answered.length}`,
        );
      return counts;
    },
  };
}

/** Sends the pieces and waits for answers; resolves to what breaks off. */
function send(port, pieces) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let timer;
    let isSent = false;
    const wait = (ms = QUIET) => {
      clearTimeout(timer);
      timer = setTimeout(done, ms);
    };
    const done = () => {
      clearTimeout(timer);
      resolve(() => socket.destroy());
    };
    socket.on('error', done).on('end', done).on('close', done);
    socket.on('data', () => isSent && wait());
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (typeof piece === 'number') await sleep(piece);
        else if (socket.writable)
          socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
      }
      isSent = true;
      wait();
    });
  });
}

async function sendHttp2(port, pieces) {
  const raw = await Raw.open(port);
  for (const piece of pieces) {
    if (typeof piece === 'number') await sleep(piece);
    else await raw.send(piece);
  }
  await raw.outcome(1, 120).catch(() => {});
  return () => raw.destroy();
}

function ask(port, token) {
  return new Promise((resolve, reject) => {
    const headers = { 'x-token': token, host: 'victim' };
    const request = http.get({
      host: '127.0.0.1',
      port,
      path: `/victim/${token}`,
      headers,
      agent: false,
    });
    request.setTimeout(5000, () => request.destroy(new Error('no answer for 5 s')));
    request.on('error', reject).on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode, body }));
    });
  });
}
