// The attacks on HTTP/2: what comes of each, what the server holds meanwhile, and how a client beside it
// is served.
//
//   node scripts/trials/http2/attacks.mjs [--only PART,…] [--scale 1] [--engine node] [--url URL --pid N]
//
// With another server whatever it does is told, and nothing of it is a failure.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { ATTACKS } from '../../../__test__/http2/attacks.mjs';
import { Raw } from '../../../__test__/http2/raw.mjs';
import { canary, check, ENGINE, finish, mib, percentile, resident, startServer } from './lib.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    scale: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'reactor-rs' },
    url: { type: 'string' },
    pid: { type: 'string' },
  },
});
const isOurs = ENGINE === 'reactor-rs' && values.url === undefined;
const only = values.only.split(',').filter((part) => part !== '');

/** What a client beside an attack may wait, in milliseconds. */
const MOST_MS = 20;
/** What a server may hold beyond what it held before, where an attack says nothing. */
const MOST_BYTES = 64 << 20;

const server =
  values.url === undefined
    ? await startServer({
        // JavaScript has a thread of its own in no engine: one I/O thread shows what waits for what.
        settings: {
          ioThreads: 1,
          timeouts: { head: 2_000, write: 3_000, body: 3_000 },
        },
      })
    : {
        port: Number(new URL(values.url).port),
        pid: Number(values.pid),
        rss: async () => resident(Number(values.pid)),
        hasEnded: () => false,
        stop: async () => {},
      };

const bird = await canary(server.port);
await new Promise((resolve) => setTimeout(resolve, 700));
const { times: alone } = await bird.heard();
const usual = percentile(alone, 0.99);
console.log(`# the client alone: p99 ${usual.toFixed(1)} ms of ${alone.length}`);
/** A machine that is busy with other things delays a client without any attack. */
const most = MOST_MS;
const isQuiet = usual < MOST_MS / 4;
if (!isQuiet) console.log('# this machine is busy: times are told and not judged');

/** All times beside attacks. */
const all = [];

for (const { row, name, most: bytes = MOST_BYTES, blocks = false, run } of ATTACKS) {
  if (only.length > 0 && !only.some((part) => `${row}: ${name}`.includes(part))) continue;
  await check(`${row}: ${name}`, async () => {
    const before = await server.rss();
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, resident(server.pid));
    }, 10);
    await bird.heard();
    const wires = [];
    const open = async (how) => {
      const raw = await Raw.open(server.port, how);
      wires.push(raw);
      return raw;
    };
    const begun = performance.now();
    let note;
    let fault;
    try {
      note = await run({ open, scale: Number(values.scale) });
    } catch (error) {
      fault = error;
    } finally {
      clearInterval(timer);
      for (const raw of wires) raw.destroy();
    }
    const took = performance.now() - begun;
    const { times, faults } = await bird.heard();
    const p99 = percentile(times, 0.99);
    if (!blocks) all.push(...times);
    const told = [
      ...(note ? [note] : []),
      `${mib(peak - before)} at most`,
      `p99 beside it ${p99.toFixed(1)} ms of ${times.length}`,
      `${(took / 1000).toFixed(1)} s`,
    ].join(', ');
    if (!isOurs) return `${fault ? `OTHERWISE: ${fault.message.slice(0, 150)}, ` : ''}${told}`;
    if (fault) throw fault;
    assert(!server.hasEnded(), 'the server lives');
    assert.deepEqual(faults, [], 'the client beside it is served');
    assert(peak - before <= bytes, `${mib(peak - before)} more than before`);
    // Few of them say nothing.
    assert(
      p99 < most || times.length < 100 || blocks || !isQuiet,
      `the client beside it waited: ${told}`,
    );
    return told;
  });
}

await bird.close();
await check(`the client beside all of them: p99 below ${most.toFixed(0)} ms`, () => {
  const p99 = percentile(all, 0.99);
  if (isOurs && isQuiet) assert(p99 < most, `${p99} ms`);
  return `p50 ${percentile(all, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${all.length}`;
});
if (isOurs) {
  await check('nothing is left of it', async () => {
    const { connections } = await server.stats();
    assert(connections.open <= 1, `${connections.open} connections are open`);
  });
}
await check('the server ends well', () => server.stop());
finish();
