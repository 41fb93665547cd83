// Counts instructions under valgrind's callgrind, and reads its profiles.
//
// Only user space is counted. `rep movsb` and `rep stosb` count once for each byte, so large copies
// and clearings weigh as much as they do in memory traffic.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Failure } from './failure.mjs';

const FOLDER = 'target/bench/callgrind';
/** How long a program may take to its first line. Valgrind is slow, and so is a busy machine. */
const PATIENCE_MS = 300_000;

function command(name, args) {
  mkdirSync(FOLDER, { recursive: true });
  for (const file of profiles(name)) rmSync(file);
  return [
    '--tool=callgrind',
    // One thread runs at a time: with this, none keeps the others out.
    '--fair-sched=try',
    `--callgrind-out-file=${FOLDER}/${name}`,
    `--log-file=${FOLDER}/log-${name}`,
    ...args,
  ];
}

/** The profiles of a run, in their order. The last one is what came after the last dump. */
function profiles(name) {
  const number = (file) => Number(file.slice(name.length + 1) || Number.MAX_SAFE_INTEGER);
  return readdirSync(FOLDER)
    .filter((file) => file === name || file.startsWith(`${name}.`))
    .sort((a, b) => number(a) - number(b))
    .map((file) => `${FOLDER}/${file}`);
}

/** Runs a program to its end. Returns its instructions. */
export function countProgram(name, args) {
  const { status, stderr } = spawnSync('valgrind', command(name, args), { encoding: 'utf8' });
  if (status !== 0) throw new Failure(`'${args.join(' ')}' failed under valgrind: ${stderr}`);
  return instructions(name);
}

/**
 * Starts a server, which must say `listening on …:PORT`. Returns its port, and `stop`, which ends
 * it with SIGTERM.
 */
export async function startCounted(name, args) {
  const child = spawn('valgrind', command(name, args), { stdio: ['ignore', 'inherit', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  const ended = once(child, 'exit');
  let said = '';
  const port = await new Promise((resolve, reject) => {
    const fail = () => reject(new Failure(`'${args.join(' ')}' does not start: ${said}`));
    const timer = setTimeout(fail, PATIENCE_MS);
    ended.then(fail);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const [, port] = /^listening on \S*:(\d+)\/?$/m.exec(said) ?? [];
      if (port !== undefined) {
        clearTimeout(timer);
        resolve(Number(port));
      }
    });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const [code, signal] = await ended;
    process.off('exit', kill);
    if (code !== 0) throw new Failure(`'${args.join(' ')}' ended with ${code ?? signal}: ${said}`);
  };
  return { port, stop };
}

/** All instructions of a run without dumps. */
export function instructions(name) {
  return total(readFileSync(`${FOLDER}/${name}`, 'latin1'));
}

function total(profile) {
  return Number(/^totals: (\d+)$/m.exec(profile)?.[1] ?? 0);
}

/** What each part of a run between two dumps cost a native binding; see {@link bindingCost}. */
export function bindingCosts(name) {
  return profiles(name).map((file) => bindingCost(readFileSync(file, 'latin1')));
}

/**
 * What a profile says of a native binding in Node:
 *
 * - `thread`: calls from Node into the binding, with all that they call, less what they call in
 *   Node. That is the native work of the JavaScript thread.
 * - `all`: the binding's own instructions on any thread.
 */
export function bindingCost(profile) {
  const names = new Map();
  const nameOf = (text) => {
    const [, number, name] = /^\((\d+)\)(?: (.*))?$/.exec(text) ?? [];
    if (name !== undefined) names.set(number, name);
    return names.get(number) ?? text;
  };
  const kind = (object) => {
    if (object.endsWith('.node')) return 'binding';
    return /\/node$/.test(object) ? 'node' : 'other';
  };
  let [from, to, isCall] = ['other', null, false];
  const cost = { thread: 0, all: 0 };
  for (const line of profile.split('\n')) {
    if (line.startsWith('ob=')) {
      from = kind(nameOf(line.slice(3)));
    } else if (line.startsWith('cob=')) {
      to = kind(nameOf(line.slice(4)));
    } else if (line.startsWith('calls=')) {
      isCall = true;
    } else if (/^[+*\-\d]/.test(line)) {
      const instructions = Number(line.split(' ')[1]);
      if (!isCall) {
        cost.all += from === 'binding' ? instructions : 0;
        continue;
      }
      const called = to ?? from;
      if (from === 'node' && called === 'binding') cost.thread += instructions;
      if (from === 'binding' && called === 'node') cost.thread -= instructions;
      [to, isCall] = [null, false];
    }
  }
  return cost;
}
