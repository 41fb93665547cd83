// HAProxy, nginx and Envoy, as examples/ configures them, in front of three programs that are restarted
// one after the other under load: no request fails.
//
//   node scripts/trials/ops/balancers.mjs [--only haproxy]

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { check, finish } from '../lib.mjs';
import { freePorts, fronts, startFront, swap } from './fronts.mjs';
import { startInstance } from './instance.mjs';
import { ask, startLoad } from './load.mjs';

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const folder = mkdtempSync(join(tmpdir(), 'reactor-balancers-'));

/** HAProxy and Envoy ask whether a program is ready; nginx finds out by itself. */
const DELAY = { haproxy: '3s', envoy: '3s', nginx: '1s' };

const found = await fronts(values.only?.split(','));
await Promise.all([...found.values()].map(rolling));
if (found.has('haproxy')) await removedLate(found.get('haproxy'));
rmSync(folder, { recursive: true });
finish();
process.exit();

/** Restarts three programs behind one balancer: by a new process, and by a successor. */
async function rolling(front) {
  const { name, version } = front;
  const service = await start(front, { flags: ['--shutdown-delay', DELAY[name]] });
  const { load, programs, ports, more } = service;
  await check(`${name} ${version}: SIGTERM and a new process, one after the other`, async () => {
    for (const [i, port] of ports.entries()) {
      await programs[i].stop();
      programs[i] = await startInstance(port, more);
      await sleep(1200);
    }
    return judge(load, 3);
  });
  await check(`${name} ${version}: SIGUSR2, one after the other`, async () => {
    load.begin();
    for (const program of programs) {
      await program.succeed();
      await sleep(300);
    }
    return judge(load, 3);
  });
  await end(service, name);
}

/**
 * As Kubernetes ends a pod: SIGTERM first, and those who send requests hear of it only later. HAProxy
 * does not ask here whether a program is ready.
 */
async function removedLate(front) {
  const admin = join(folder, 'admin.sock');
  const change = (config) => {
    const unasked = swap(config, /^ {4}default-server check .*\n/m, '');
    return swap(unasked, 'global\n', `global\n    stats socket ${admin} level admin\n`);
  };
  const service = await start(front, { flags: ['--shutdown-delay', '2500ms'] }, change);
  const { load, programs, ports, more } = service;
  await check('haproxy: SIGTERM, and the endpoint is removed 1.5 s later', async () => {
    const ended = programs[0].stop();
    await sleep(1500);
    assert.equal(load.faults.length, 0);
    await command(admin, 'set server app/app1 state maint');
    await ended;
    programs[0] = await startInstance(ports[0], more);
    await command(admin, 'set server app/app1 state ready');
    await sleep(500);
    return judge(load, 1);
  });
  await end(service, 'haproxy, removed late');
}

/** Three programs, a balancer and clients. */
async function start(front, { flags }, change) {
  const place = mkdtempSync(join(folder, `${front.name}-`));
  const uploads = join(place, 'uploads');
  writeFileSync(uploads, '');
  const more = { env: { UPLOADS: uploads }, flags };
  const ports = await freePorts(3);
  const programs = await Promise.all(ports.map((port) => startInstance(port, more)));
  const balancer = await startFront(front, { folder: place, programs: ports, change });
  for (let i = 0; (await ask(balancer.port, { path: '/hello' })).status !== 200; i++) {
    assert(i < 100, balancer.said());
    await sleep(50);
  }
  const load = startLoad(balancer.port);
  await sleep(500);
  return { load, programs, ports, balancer, uploads, more };
}

async function end({ load, programs, balancer, uploads }, name) {
  await load.stop();
  await check(`${name}: no upload was sent twice, none is missing`, () => {
    const noted = readFileSync(uploads, 'utf8').trim().split('\n');
    const seen = new Set(noted);
    const twice = noted.length - seen.size;
    const missing = load.uploaded.filter((id) => !seen.has(id));
    assert.deepEqual({ twice, missing }, { twice: 0, missing: [] });
    return `${noted.length} uploads`;
  });
  await balancer.stop();
  for (const program of programs) program.kill();
}

/** No fault until now, and all kinds were asked; so many restarts have each ended streams. */
function judge({ faults, counts, again }, restarts) {
  const first = faults.slice(0, 10);
  assert.deepEqual(first, [], `${faults.length} failed of ${JSON.stringify(counts)}`);
  for (const [kind, count] of Object.entries(counts)) assert(count > 20, `${kind}: ${count}`);
  assert(again.events + again.sockets >= restarts, 'streams and sockets were begun anew');
  const { kept, fresh, uploads, events, sockets } = counts;
  return `0 of ${kept + fresh} requests, ${uploads} uploads, ${events} events, ${sockets} messages failed`;
}

/** Tells HAProxy something; throws where it answers. */
async function command(admin, line) {
  const socket = connect(admin);
  socket.end(`${line}\n`);
  assert.equal((await text(socket)).trim(), '');
}
