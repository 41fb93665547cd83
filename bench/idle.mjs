#!/usr/bin/env node
// What open, idle keep-alive connections cost: resident memory each, and the rate
// of a busy client beside them.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildServe, buildTools } from './lib/build.mjs';
import { contenders } from './lib/contenders.mjs';
import { Failure, main } from './lib/failure.mjs';
import { h2load } from './lib/h2load.mjs';
import { ask, get } from './lib/http.mjs';
import { ask as askHttp2 } from './lib/http2.mjs';
import { bench } from './lib/load.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, median, table, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { idleClient, idleClientHttp2, idleClientTls, idleClientWebSocket } from './lib/paths.mjs';
import { memory as memoryOf, openFiles } from './lib/proc.mjs';
import { questions } from './lib/questions.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';
import { nodes } from './lib/setup.mjs';
import { certificate } from './lib/tls.mjs';
import { measure, wrk } from './lib/wrk.mjs';

const usage = `
usage: bench/idle.mjs [options] [-- COMMAND …]

  --only A,B        contenders (default worker-i4w8; see lib/contenders.mjs), or give
                    a COMMAND of your own, with {port} in it; of those after the first the
                    memory alone
  --node N          the version of Node of contenders that run on it (default the one that runs this)
  --tls             over TLS
  --http2           over HTTP/2 without TLS, with h2load beside them
  --websocket       WebSockets instead of HTTP connections, with echoes beside them; the default
                    contender is reactor-rs on this Node
  --connections N   idle connections (default 10000)
  --rounds N        wrk runs with and without them, taking turns (default 3)
  --duration S      seconds per run (default 5), after --warmup S (default 1)
  --load-first S    seconds of load before memory is first read (default 0), so that what a fresh server,
                    and above all V8's young heap, grows by once is not taken for the connections'
  --profile NAME    cargo profile of the example server (default release)
  --no-build        take the binaries as they are
  --port N          first port to try (default 18200)
  --name NAME       results go to bench/results/DATE-NAME.* (default idle)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  only: [],
  node: null,
  tls: false,
  http2: false,
  websocket: false,
  connections: 10_000,
  rounds: 3,
  duration: 5,
  warmup: 1,
  'load-first': 0,
  profile: 'release',
  'no-build': false,
  port: 18200,
  name: 'idle',
  'no-save': false,
  assert: false,
};

const loads = { usual: { connections: 64 }, http2: { connections: 16, streams: 32 } };

/** Bytes that an idle connection may add. */
const MOST = { plain: 1024, tls: 5 * 1024, websocket: 700, http2: 1536 };

/** What opens idle connections. */
const CLIENTS = {
  plain: [idleClient],
  tls: [process.execPath, idleClientTls],
  websocket: [process.execPath, idleClientWebSocket],
  http2: [process.execPath, idleClientHttp2],
};

await main(async () => {
  const options_ = options(usage, settings);
  const { connections, rounds, duration, warmup, tls: isSecure, websocket, http2 } = options_;
  const kinds = ['tls', 'websocket', 'http2'].filter((name) => options_[name]);
  if (kinds.length > 1) throw new Failure(`--${kinds.join(' and --')} exclude each other`);
  const [kind = 'plain'] = kinds;
  const asks = websocket ? 'websocket' : 'hello';
  const [own] = process.versions.node.split('.');
  const versions = options_.node === null ? undefined : nodes([options_.node]);
  const all = contenders(options_.profile, versions);
  const only =
    options_.only.length > 0
      ? options_.only
      : [websocket ? `reactor-${options_.node ?? own}` : 'worker-i4w8'];
  const chosen = options_.rest.length
    ? [['', { command: () => options_.rest }]]
    : only.flatMap((name) => pick('contender', all, [name]));
  if (!options_['no-build']) {
    buildTools();
    if (chosen.some(([, { cargo }]) => cargo)) buildServe(options_.profile);
  }
  const environs = environment();
  const [[, contender], ...others] = chosen;

  const { path } = questions[asks];
  const { server, port, command } = await begin(contender, options_.port, asks, { kind, path });
  const scheme = websocket ? 'ws' : 'http';
  const urlOf = (port) => `${scheme}${isSecure ? 's' : ''}://127.0.0.1:${port}${path}`;
  const target = { url: urlOf(port) };
  const client = websocket ? bench : http2 ? h2load : wrk;
  const load = loads[http2 ? 'http2' : 'usual'];
  const where = [port, path, kind];
  /** What a server grows by once, and not for each connection, comes before memory is read. */
  const warm = async ({ pid }, url) => {
    if (options_['load-first'] === 0) return;
    const files = openFiles(pid);
    await client(load, { url }, options_['load-first']);
    await quiet(pid, files);
  };
  await warm(server, target.url);
  const memory = await measureMemory(server, connections, where);
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    // Which of the two comes first changes from round to round.
    for (const idle of round % 2 ? [connections, 0] : [0, connections]) {
      const crowd = idle ? await hold(idle, where) : null;
      if (warmup > 0) await client(load, target, warmup);
      const run = await measure(server.pid, load, target, duration, client);
      const closed = crowd ? await crowd.release() : 0;
      await quiet(server.pid, memory.files);
      runs.push({ round: round + 1, idle, closed, ...run });
      console.error(`bench: round ${round + 1}, ${idle} idle: ${whole(run.rate)} req/s`);
      if (closed) console.error(`bench: WARNING: the server closed ${closed} idle connections`);
    }
  }
  await server.stop();
  const beside = {};
  for (const [name, other] of others) {
    const { server, port } = await begin(other, options_.port, asks, { kind, path });
    await warm(server, urlOf(port));
    const before = memoryOf(server.pid).rss;
    const crowd = await hold(connections, [port, path, kind]);
    await sleep(500);
    beside[name] = (memoryOf(server.pid).rss - before) / connections;
    console.error(`bench: ${name}: ${fixed(beside[name], 0)} bytes a connection`);
    await crowd.release();
    await server.stop();
  }

  const rate = (idle) => median(runs.filter((run) => run.idle === idle).map((run) => run.rate));
  const ratio = rate(connections) / rate(0);
  const most = MOST[kind];
  const program = websocket ? 'reactor-rs bench -c64' : http2 ? 'h2load -c16 -m32' : 'wrk -c64';
  const targets = [
    {
      text: `an idle ${websocket ? 'WebSocket' : 'connection'} adds ≤ ${most} bytes of resident memory`,
      value: `${fixed(memory.perConnection, 0)} bytes`,
      met: memory.perConnection <= most,
    },
    {
      text: `${program} beside ${connections} idle connections keeps ≥ 0.9 × its rate`,
      value: rounds ? `${ratio.toFixed(3)} ×` : null,
      met: rounds ? ratio >= 0.9 : null,
    },
  ];
  const data = {
    ...environs,
    settings: {
      ...{ connections, rounds, duration, warmup, tls: isSecure, websocket, http2 },
      loadFirst: options_['load-first'],
    },
    command: fill(command, port).join(' '),
    memory,
    beside,
    ratio: rounds ? ratio : null,
    targets,
    runs,
  };
  const text = tables(data);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) save(options_.name, data, markdown(data, text));
  return options_.assert && targets.some(({ met }) => met === false) ? 1 : 0;
});

/** Starts a contender and has it answer once. */
async function begin(contender, firstPort, asks, { kind, path }) {
  const port = await freePort(firstPort);
  const isSecure = kind === 'tls';
  const env = kind === 'http2' ? { HTTP2: '1' } : {};
  const command = [...contender.command(asks), ...(isSecure ? contender.tls(certificate()) : [])];
  const server = await start(command, port, { env });
  if (kind === 'websocket') {
    const { errors } = await bench(
      { connections: 1 },
      { url: `ws://127.0.0.1:${port}${path}` },
      0.2,
    );
    if (errors > 0) throw new Failure('the server does not echo');
    return { server, port, command };
  }
  const [answer] =
    kind === 'http2'
      ? await askHttp2(port, { path }, 1)
      : await ask(port, get(path), 1, { isSecure });
  if (answer?.status !== 200) throw new Failure(`the server answers ${JSON.stringify(answer)}`);
  return { server, port, command };
}

/** Resident memory of a fresh server before, with and after the idle connections. */
async function measureMemory(server, connections, where) {
  const files = openFiles(server.pid);
  const before = memoryOf(server.pid);
  const crowd = await hold(connections, where);
  await sleep(500);
  const during = memoryOf(server.pid);
  const closed = await crowd.release();
  if (closed) throw new Failure(`the server closed ${closed} of the idle connections`);
  await quiet(server.pid, files);
  return {
    files,
    before,
    during,
    after: memoryOf(server.pid),
    perConnection: (during.rss - before.rss) / connections,
    anonymousPerConnection: (during.anonymous - before.anonymous) / connections,
  };
}

/** Opens idle connections from a process of their own. */
async function hold(count, [port, path, kind]) {
  const [file, ...args] = CLIENTS[kind];
  const child = spawn(file, [...args, String(port), String(count), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await lines.next();
  if (ready.value !== 'ready') throw new Failure('the idle connections could not be opened');
  return {
    async release() {
      child.stdin.end();
      const closed = Number((await lines.next()).value);
      await lines.next();
      return closed;
    },
  };
}

/** Waits until the server has closed what its clients have. */
async function quiet(pid, files) {
  const deadline = Date.now() + 10_000;
  while (openFiles(pid) > files) {
    if (Date.now() > deadline)
      throw new Failure('the server keeps connections that its clients closed');
    await sleep(50);
  }
}

function tables({ memory, beside, runs }) {
  const kib = (bytes) => fixed(bytes / 1024, 0);
  const sizes = ['before', 'during', 'after'].map((when) => {
    return [when, kib(memory[when].rss), kib(memory[when].anonymous)];
  });
  sizes.push([
    'bytes per connection',
    fixed(memory.perConnection, 0),
    fixed(memory.anonymousPerConnection, 0),
  ]);
  for (const [name, bytes] of Object.entries(beside)) {
    sizes.push([`bytes per connection of ${name}`, fixed(bytes, 0), '–']);
  }
  const rates = runs.map((run) => [
    `${run.round}, ${run.idle} idle`,
    whole(run.rate),
    whole(run.p50),
    whole(run.p99),
    fixed(run.cpu),
    fixed(run.otherCores + run.stolenCores),
    String(run.errors),
  ]);
  const head = ['round', 'req/s', 'p50 µs', 'p99 µs', 'CPU µs/req', 'other cores', 'errors'];
  return `${table(['server', 'resident KiB', 'anonymous KiB'], sizes)}\n\n${table(head, rates)}`;
}

function markdown(data, text) {
  const { connections, rounds, duration, warmup, loadFirst, tls, websocket, http2 } = data.settings;
  const how = tls ? ' over TLS' : http2 ? ' of HTTP/2' : '';
  const kind = websocket ? 'WebSockets' : `keep-alive connections${how}`;
  const program = websocket
    ? 'reactor-rs bench -c 64'
    : http2
      ? 'h2load -c16 -m32'
      : 'wrk -t1 -c64';
  return [
    preamble('Idle connections', data),
    `\`${data.command}\`, ${connections} ${kind} that have had one request each.` +
      ` Memory is read on the ${loadFirst ? `server after ${loadFirst} s of load` : 'fresh server'},` +
      ' before them and with them, and after they have gone.' +
      ` Then ${rounds} runs of ${program}, ${duration} s each after ${warmup} s of warm-up,` +
      ' with and without them in turn.',
    text,
    '## Promises',
    verdicts(data.targets) + disturbance(data.runs),
  ].join('\n\n');
}
