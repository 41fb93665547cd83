// A process that serves and then ends: `subject.mjs ENDING ANSWER ROUNDS SEED`.
// It says on stdout, a line each: `listening PORT`, `ending` and `ended`.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ANSWERS } from './answers.mjs';
import { moment } from './moment.mjs';

const INDEX = new URL('../../dist/index.js', import.meta.url).href;

const [ending, answer, rounds, seed] = process.argv.slice(2);

/** How a process ends that has a server under load; with `unref`, by being done. */
const ENDS = {
  exit: () => process.exit(7),
  uncaught: () => {
    throw new Error('on purpose');
  },
  rejection: () => {
    Promise.reject(new Error('on purpose'));
  },
  unref: (server) => server.unref(),
};

/** What one round does that the process survives. */
const ROUNDS = {
  terminate: (round) => roundWithWorker((worker) => worker.terminate(), round),
  'worker exit': (round) => roundWithWorker((worker) => worker.postMessage('exit'), round),
  stop: (round) => roundWithStop([{}], round),
  'stop force': (round) => roundWithStop([{ force: true }], round),
  'stop stop': (round) => roundWithStop([{}, {}, { force: true }], round),
};

if (ending in ENDS) {
  const { asked, server } = await serving();
  say(`listening ${server.port}`);
  await asked;
  setTimeout(
    () => {
      say('ending');
      ENDS[ending](server);
    },
    moment(Number(seed)),
  );
} else {
  for (let round = 0; round < Number(rounds); round++) {
    await ROUNDS[ending](round);
    await noNativeThreads();
  }
}

/** A server, and a promise that it has been asked. */
async function serving() {
  const { serve } = await import(INDEX);
  const { handle } = ANSWERS[answer];
  let onAsked;
  const asked = new Promise((resolve) => {
    onAsked = resolve;
  });
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 2,
    workerThreads: 2,
    fetch: (request) => {
      onAsked();
      return handle(request);
    },
  });
  return { server, asked };
}

async function roundWithStop(calls, round) {
  const { asked, server } = await serving();
  say(`listening ${server.port}`);
  await asked;
  await sleep(moment(Number(seed) + round));
  say('ending');
  await Promise.all(calls.map((options) => server.stop(options)));
  say('ended');
}

async function roundWithWorker(end, round) {
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { answer } });
  const exited = new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => {
    worker.on('message', (line) => {
      if (line === 'asked') {
        resolve();
      } else {
        say(line);
      }
    });
  });
  await sleep(moment(Number(seed) + round));
  say('ending');
  await end(worker);
  await exited;
  say('ended');
}

/** The engine's threads end soon after the environment that started them. */
async function noNativeThreads() {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const left = nativeThreads();
    if (left.length === 0) {
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`threads that have stayed: ${left.join(' ')}`);
    }
    await sleep(5);
  }
}

function nativeThreads() {
  return readdirSync('/proc/self/task')
    .map((tid) => {
      try {
        return readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim();
      } catch {
        return ''; // It has ended meanwhile.
      }
    })
    .filter((name) => name.startsWith('rx-'));
}

/** To a pipe, at once: what is only queued would be lost with the process. */
function say(line) {
  process.stdout.write(`${line}\n`);
}
