// `npm run perf`: where the processor's time goes in a loaded server, as a flame
// graph.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bench } from '../bench/lib/load.mjs';
import { whole } from '../bench/lib/numbers.mjs';
import { need } from './programs.mjs';
import { startServe } from './serve-example.mjs';
import { SetupError, setup } from './setup.mjs';
import { buildServe, cargo, tool } from './tool.mjs';

const USAGE = `
usage: npm run perf [-- [options] [-- SERVER OPTIONS]]

Starts the example server (by default with -i 1 -w 1), built as it is released but with
line tables, loads it with reactor-rs bench, records it with perf and draws a flame
graph.

  --seconds N        how long is recorded (default 5)
  --connections N    of the load (default 64)
  --pipeline N       requests at once on each of them (default 1)
  --frequency N      samples a second (default 999)
  --pid PID          records that process instead, without any load of our own
  --output FILE      the flame graph (default target/perf/flamegraph.svg)
`;

const OPTIONS = {
  seconds: { type: 'string', default: '5' },
  connections: { type: 'string', default: '64' },
  pipeline: { type: 'string', default: '1' },
  frequency: { type: 'string', default: '999' },
  pid: { type: 'string' },
  output: { type: 'string', default: 'target/perf/flamegraph.svg' },
};

const FOLDER = 'target/perf';

/** What perf counts: the processor's cycles, or where it cannot, as in many virtual machines, time. */
const EVENTS = ['cycles', 'cpu-clock'];

await tool('perf', USAGE, async (args) => {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS });
  const seconds = number('seconds', values.seconds);
  const connections = number('connections', values.connections);
  const depth = number('pipeline', values.pipeline);
  const frequency = number('frequency', values.frequency);
  const perf = need('perf');
  mkdirSync(FOLDER, { recursive: true });
  const event = chooseEvent(perf);
  const data = join(FOLDER, 'perf.data');
  const record = (pid) => {
    // By debug information: the C library has no frame pointers, and most of a server's
    // time is spent below its calls.
    const what = [
      '-e',
      event,
      '-F',
      frequency,
      '--call-graph',
      'dwarf,4096',
      '-o',
      data,
      '-p',
      pid,
    ];
    return run(perf, ['record', '-q', ...what, '--', 'sleep', seconds].map(String));
  };
  if (values.pid !== undefined) {
    await record(number('pid', values.pid));
  } else {
    setup();
    const options = positionals.length > 0 ? positionals : ['-i', '1', '-w', '1'];
    const server = await startServe([buildServe('profiling'), '-p', '0', ...options]);
    try {
      const target = { url: `http://127.0.0.1:${server.port}/` };
      const load = bench({ connections, depth }, target, seconds + 1);
      const [{ rate, errors }] = await Promise.all([load, record(server.child.pid)]);
      say(`${whole(rate)} requests/s while ${event} was recorded, ${errors} errors`);
    } finally {
      server.child.kill('SIGKILL');
    }
  }
  const samples = await draw(perf, data, values.output);
  say(`${values.output}: ${whole(samples)} samples; open it in a browser`);
  say(`perf report -i ${data} shows the same as text`);
  return 0;
});

/**
 * The first event that perf can record here, as it calls it in the end: it goes on to
 * another by itself where it can.
 */
function chooseEvent(perf) {
  const probe = join(FOLDER, 'probe.data');
  let said = '';
  for (const event of EVENTS) {
    const args = ['record', '-q', '-e', event, '-o', probe, '--', 'true'];
    const { status, stderr } = spawnSync(perf, args, { encoding: 'utf8' });
    if (status === 0) {
      return spawnSync(perf, ['evlist', '-i', probe], { encoding: 'utf8' }).stdout.trim() || event;
    }
    said = stderr.trim();
  }
  const level = paranoia();
  // Debian and Ubuntu have levels above those of the kernel's own (sysctl(8)).
  if (level > 1) {
    throw new SetupError(
      `the kernel does not let perf record (kernel.perf_event_paranoid is ${level}); allow it with: sudo sysctl kernel.perf_event_paranoid=1`,
    );
  }
  throw new SetupError(`perf cannot record here: ${said.split('\n')[0]}`);
}

function paranoia() {
  try {
    return Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));
  } catch {
    // A kernel without perf events.
    return 0;
  }
}

/** From what was recorded to the picture; returns the number of samples. */
async function draw(perf, data, output) {
  const manifest = 'scripts/flamegraph/Cargo.toml';
  cargo(['build', '--release', '--manifest-path', manifest, '--target-dir', 'target/flamegraph']);
  const svg = open(output);
  const script = spawn(perf, ['script', '-i', data], { stdio: ['ignore', 'pipe', 'ignore'] });
  const graph = spawn('target/flamegraph/release/reactor-flamegraph', ['reactor-rs'], {
    stdio: ['pipe', svg, 'pipe'],
  });
  closeSync(svg);
  let samples = 0;
  let stderr = '';
  graph.stderr.on('data', (text) => {
    stderr += text;
  });
  script.stdout.setEncoding('latin1').on('data', (text) => {
    // An empty line ends each.
    samples += text.split('\n\n').length - 1;
  });
  // Where the graph has ended early, its exit code says why.
  graph.stdin.on('error', () => {});
  script.stdout.pipe(graph.stdin);
  const [code] = await once(graph, 'close');
  if (code !== 0 || statSync(output).size === 0) {
    throw new SetupError(`no flame graph could be made of ${data}: ${stderr.trim()}`);
  }
  return samples;
}

function open(path) {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw new SetupError(`--output ${path} cannot be written: ${error.code}`);
  }
}

/** Runs a program to its end. */
async function run(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) {
    throw new SetupError(`perf record failed: ${stderr.trim().split('\n').at(-1)}`);
  }
}

function number(name, text) {
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new SetupError(`--${name} must be from 1 to 9999999, got '${text}'`);
  }
  return Number(text);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
