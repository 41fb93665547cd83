// Ends servers under load, again and again, and judges how they ended.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { launch } from '../support/command.mjs';
import { Load } from './load.mjs';
import { moment } from './moment.mjs';

const SUBJECT = fileURLToPath(new URL('subject.mjs', import.meta.url));
const APP = fileURLToPath(new URL('app.mjs', import.meta.url));
const BIN = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

/** Connections that ask while the server ends. */
const CONNECTIONS = 4;

/** How long anything may take before it counts as hung; generous, for a busy machine. */
const PATIENCE_MS = 30_000;

/**
 * The ways to end. One that `survives` is a round within a process of its own
 * kind; the others are a process each, which ends with `code`. One that `drains`
 * answers every request that a connection's earlier answers left room for, whole.
 */
export const ENDINGS = {
  terminate: { survives: true },
  'worker exit': { survives: true },
  stop: { survives: true, drains: true },
  'stop force': { survives: true },
  'stop stop': { survives: true },
  exit: { code: 7 },
  uncaught: { code: 1, stderr: /on purpose/ },
  rejection: { code: 1, stderr: /on purpose/ },
  unref: { code: 0, asksNoMore: true },
  SIGTERM: { code: 0, signal: 'SIGTERM', drains: true },
  SIGINT: { code: 0, signal: 'SIGINT', drains: true },
};

/** Rounds that one process goes through. */
const ROUNDS_IN_ONE = 25;

/** Failures after which the rest of a combination tells nothing new. */
const ENOUGH_FAILURES = 3;

/** A round went wrong; the message says how. */
class BadEnd extends Error {}

/**
 * Ends a server `rounds` times in one way.
 *
 * @param {{ ending: keyof ENDINGS, answer: string, rounds: number, node?: string, seed?: number,
 *   parallel?: number }} what `node` is the path of the Node to run
 * @returns what went wrong, and counts: rounds, complete answers, answers cut off, requests
 *   without an answer, answers with 503
 */
export async function endRepeatedly({
  ending,
  answer,
  rounds,
  node = process.execPath,
  seed = 0,
  parallel = 2,
}) {
  const how = ENDINGS[ending];
  const size = how.survives ? ROUNDS_IN_ONE : 1;
  const sums = { failures: [], rounds: 0, answers: 0, cuts: 0, unanswered: 0, refused: 0 };
  let next = 0;
  const runner = async () => {
    while (next < rounds && sums.failures.length < ENOUGH_FAILURES) {
      const first = next;
      next += size;
      const count = Math.min(size, rounds - first);
      const end = () =>
        how.signal
          ? endCommand({ how, answer, node, seed: seed + first })
          : endSubject({ how, ending, answer, node, seed: seed + first, count });
      try {
        let loads = await end();
        for (let more = 9; more > 0 && loads.some((load) => isSpoilt(load, how)); more--) {
          loads = await end();
        }
        for (const load of loads) {
          add(sums, load, how);
        }
        sums.rounds += count;
      } catch (error) {
        sums.failures.push(`rounds ${first} to ${first + count - 1}: ${error.message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, runner));
  // Of a few rounds on a busy machine each may end before the first whole answer.
  if (sums.answers === 0 && rounds >= 20) {
    sums.failures.push('nothing was ever answered: that is no load');
  }
  return sums;
}

/**
 * A server that drains closes connections that have asked for nothing for half a
 * second. Clients that were held up for long may have asked only then.
 */
function isSpoilt({ cuts, unanswered, longestStall }, how) {
  return how.drains && cuts + unanswered > 0 && longestStall > 200;
}

/** Judges what one round's clients have seen, and adds it up. */
function add(sums, { answers, cuts, unanswered, otherStatuses }, how) {
  if (how.drains && cuts + unanswered > 0) {
    throw new BadEnd(`${cuts} answers cut off, ${unanswered} missing, though it drained`);
  }
  for (const [status, count] of otherStatuses) {
    if (status !== 503) {
      throw new BadEnd(`${count} answers with status ${status}`);
    }
    sums.refused += count;
  }
  sums.answers += answers;
  sums.cuts += cuts;
  sums.unanswered += unanswered;
}

/** One process of subject.mjs, to the loads of its rounds. */
async function endSubject({ how, ending, answer, node, seed, count }) {
  const child = launch([SUBJECT, ending, answer, String(count), String(seed)], { file: node });
  const loads = [];
  lines(child.process.stdout, (line) => {
    const load = loads.at(-1);
    if (line.startsWith('listening ')) {
      loads.push(new Load(Number(line.slice('listening '.length)), answer, CONNECTIONS));
    } else if (line === 'ending' && how.asksNoMore) {
      load.stopAsking();
    } else if (line === 'ended') {
      load.stopConnecting();
    }
  });
  await judge({ child, how, loads, patience: PATIENCE_MS + 1000 * count });
  if (loads.length !== count) {
    throw new BadEnd(`${loads.length} of ${count} rounds`);
  }
  return loads;
}

/** One `reactor-rs serve`, which a signal ends. */
async function endCommand({ how, answer, node, seed }) {
  const child = launch([BIN, 'serve', '--json', '-p', '0', '-H', '127.0.0.1', '-i', '2', APP], {
    file: node,
    env: { ENDURANCE_ANSWER: answer },
  });
  const loads = [];
  const listening = new Promise((resolve) => {
    lines(child.process.stdout, (line) => {
      loads.push(new Load(JSON.parse(line).port, answer, CONNECTIONS));
      resolve();
    });
  });
  const signalled = listening.then(async () => {
    while (loads[0].answers === 0 && child.process.exitCode === null) {
      await sleep(1);
    }
    await sleep(moment(seed));
    child.process.kill(how.signal);
  });
  await judge({ child, how, loads, patience: PATIENCE_MS });
  await signalled;
  return loads;
}

/** Waits for the process and its clients to end, and says what is wrong about it. */
async function judge({ child, how, loads, patience }) {
  const { process: subject } = child;
  const closed = once(subject, 'close');
  const end = await within(patience, closed);
  if (end === undefined) {
    const where = await whereabouts(subject.pid);
    subject.kill('SIGKILL');
    await closed;
    throw new BadEnd(`hangs\n${child.stdout().slice(-300)}${child.stderr()}${where}`);
  }
  for (const load of loads) {
    load.stopConnecting();
  }
  const [code, signal] = end;
  const wanted = how.code ?? 0;
  if (signal !== null || code !== wanted) {
    throw new BadEnd(`ends with ${signal ?? code} in place of ${wanted}\n${child.stderr()}`);
  }
  const stderr = how.signal
    ? child.stderr().replace(/^.*finishing requests.*\n|^served .*\n/gm, '')
    : child.stderr();
  if (how.stderr ? !how.stderr.test(stderr) : stderr !== '') {
    throw new BadEnd(`prints ${JSON.stringify(stderr)}`);
  }
  const all = Promise.all(loads.map((load) => load.closed)).then(() => true);
  if (!(await within(PATIENCE_MS, all))) {
    throw new BadEnd('leaves clients without an end');
  }
}

/** What the promise came to, or `undefined` when that took too long. */
async function within(milliseconds, promise) {
  const timer = new AbortController();
  const late = sleep(milliseconds, undefined, { signal: timer.signal }).catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Stacks of a process that hangs, where gdb is there to show them. */
async function whereabouts(pid) {
  const gdb = spawn('gdb', ['-p', String(pid), '-batch', '-ex', 'thread apply all bt 12'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  gdb.stdout.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  return new Promise((resolve) => {
    gdb.once('error', () => resolve(''));
    gdb.once('close', () => resolve(text));
  });
}

/** Calls back for each line of a stream. */
function lines(stream, onLine) {
  let rest = '';
  stream.on('data', (text) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop();
    parts.forEach(onLine);
  });
}
