#!/usr/bin/env node
// What does a unary gRPC call cost a server, beside grpc-js's own?

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { grpcFolder } from '../scripts/trials/http2/grpc-folder.mjs';
import { Failure, main } from './lib/failure.mjs';
import { h2load } from './lib/h2load.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, median, table, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import { cpuSeconds } from './lib/proc.mjs';
import { preamble, save, verdicts } from './lib/report.mjs';
import { freePort, start } from './lib/server.mjs';

const usage = `
usage: bench/grpc.mjs [options]

  --seconds N       of each run (default 3)
  --rounds N        of each server (default 5)
  --connections N   of the client (default 4)
  --streams N       calls that each connection has open at once (default 32)
  --port N          first port to try (default 18950)
  --name NAME       results go to bench/results/DATE-NAME.* (default grpc)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  seconds: 3,
  rounds: 5,
  connections: 4,
  streams: 32,
  port: 18950,
  name: 'grpc',
  'no-save': false,
  assert: false,
};

/** By name: the program, in the folder with the packages. */
const SERVERS = {
  'grpc-js': ['trial', 'grpc-js-server.mjs'],
  'reactor-rs, direct': ['example', 'direct-server.mjs'],
  'reactor-rs, Connect': ['example', 'server.mjs'],
};

/** How many times the rate of grpc-js's server the fetch handler has, for the same processor time. */
const LEAST = 3;

/** `{ text: 'hello' }` as a message of gRPC. */
const REQUEST = Buffer.from('\0\0\0\0\x07\x0a\x05hello', 'latin1');
const FIELDS = { 'content-type': 'application/grpc', te: 'trailers' };

/** Microseconds of the server's processor time for a call, and calls a second. */
async function callsOf(name, folder, given) {
  const port = await freePort(given.port);
  const file = join(folder, ...SERVERS[name]);
  const server = await start([process.execPath, file], port, { env: { PORT: String(port) } });
  try {
    const said = spawnSync(process.execPath, [join(folder, 'trial', 'say.mjs'), String(port)]);
    if (said.status !== 0) throw new Failure(`${name} answers wrongly: ${said.stderr}`);
    const body = join(folder, 'request.bin');
    writeFileSync(body, REQUEST);
    const load = { connections: given.connections, streams: given.streams };
    const url = `http://127.0.0.1:${port}/example.v1.Echo/Say`;
    const target = { url, fields: FIELDS, body };
    await h2load(load, target, 2);
    const before = cpuSeconds(server.pid);
    const { rate, requests, errors } = await h2load(load, target, given.seconds);
    const cpu = ((cpuSeconds(server.pid) - before) / requests) * 1e6;
    if (errors > 0) throw new Failure(`${name}: ${errors} calls failed`);
    return { name, cpu, rate };
  } finally {
    await server.stop();
  }
}

await main(async () => {
  const given = options(usage, settings);
  const folder = await grpcFolder();
  if (folder === null) throw new Failure('the packages cannot be installed');
  const about = environment();
  const rounds = [];
  for (let round = 0; round < given.rounds; round++) {
    const runs = {};
    for (const name of Object.keys(SERVERS)) runs[name] = await callsOf(name, folder, given);
    rounds.push(runs);
  }
  const names = Object.keys(SERVERS);
  const of = (pick) =>
    Object.fromEntries(names.map((name) => [name, median(rounds.map(pick(name)))]));
  const cpu = of((name) => (runs) => runs[name].cpu);
  const rate = of((name) => (runs) => runs[name].rate);
  // In pairs: what the machine does besides slows both.
  const cheaper = of((name) => (runs) => runs['grpc-js'].cpu / runs[name].cpu);
  const faster = of((name) => (runs) => runs[name].rate / runs['grpc-js'].rate);
  const direct = 'reactor-rs, direct';
  const targets = [
    [cheaper[direct], 'of the calls for the same processor time'],
    [faster[direct], 'of the calls a second'],
  ].map(([value, text]) => ({
    text: `a fetch handler has at least ${LEAST} × ${text} that grpc-js's server has`,
    value: `${fixed(value)} ×`,
    met: value >= LEAST,
  }));
  const markdown = [
    preamble('gRPC: unary calls of 7 bytes', about),
    '',
    `h2load, ${given.connections} connections with ${given.streams} calls each, ${given.rounds} rounds of ${given.seconds} s; medians, ratios of pairs.`,
    '"direct" is examples/grpc/direct.mjs with the codec that grpc-js has, "Connect" is @connectrpc/connect.',
    '',
    table(
      ['server', 'µs of CPU a call', 'calls a second', 'calls for the same CPU', 'rate'],
      names.map((name) => [
        name,
        fixed(cpu[name], 1),
        whole(rate[name]),
        `${fixed(cheaper[name])} ×`,
        `${fixed(faster[name])} ×`,
      ]),
    ),
    '',
    verdicts(targets),
  ].join('\n');
  console.log(markdown);
  if (!given['no-save'])
    save(given.name, { ...about, result: { cpu, rate, cheaper, faster }, rounds }, markdown);
  return given.assert && targets.some(({ met }) => !met) ? 1 : 0;
});
