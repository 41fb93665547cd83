#!/usr/bin/env node
// The cases of the Autobahn test suite against a server that echoes, over real sockets: each as one
// piece, as the suite's own pieces, and chopped.
//
//   node scripts/trials/websocket/autobahn.mjs [--url ws://…] [--engine reactor-rs|ws]
//     [--only 6.4,12] [--messages 10] [--modes whole,pieces,chopped,together] [--lax] [--verbose]
//
// As the suite does, it tells apart what is not strict, and takes it with --lax: a server may fail the
// connection before it has echoed what came earlier. `together` is no mode of the suite: the client's
// close frame comes in one piece with all before it.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { check, finish } from '../lib.mjs';
import { SECTIONS } from './cases.mjs';
import { COMPRESSION, converse } from './cases-compression.mjs';
import { CLOSE, PONG, Wire } from './frames.mjs';
import { startServer } from './lib.mjs';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    engine: { type: 'string', default: 'reactor-rs' },
    only: { type: 'string', default: '' },
    messages: { type: 'string', default: '10' },
    modes: { type: 'string', default: 'whole,pieces,chopped,together' },
    lax: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const modes = values.modes.split(',');
const only = values.only.split(',').filter((prefix) => prefix !== '');
const isWanted = ({ name }) =>
  only.length === 0 || only.some((prefix) => `${name}.`.startsWith(`${prefix}.`));

/** Cases at the same time. */
const PARALLEL = 8;

/** What is right but for that. */
class NotStrict extends Error {}

/** The bytes of a case, in the pieces of a mode. */
function pieces({ sent, chop, closing }, mode) {
  if (mode === 'together') {
    return [Buffer.concat([...sent, closing ?? Buffer.alloc(0)])];
  }
  if (mode === 'pieces' && chop === undefined) {
    return sent;
  }
  const all = Buffer.concat(sent);
  if (mode === 'whole') {
    return [all];
  }
  const size =
    mode === 'pieces' ? chop : all.length < 1000 ? 1 : all.length < 200_000 ? 997 : 65_536;
  const parts = [];
  for (let at = 0; at < all.length; at += size) parts.push(all.subarray(at, at + size));
  return parts;
}

/** Runs one case in one mode. Throws what is wrong. */
async function play(url, each, mode) {
  const wire = await Wire.open(url);
  try {
    const sending = (async () => {
      for (const [i, piece] of pieces(each, mode).entries()) {
        await wire.send(piece);
        if (mode === 'pieces' && each.failsAt === i) {
          // The server may not wait for the rest.
          await wire.over(5_000);
        }
      }
    })();
    sending.catch(() => wire.destroy());
    const messages = [...each.messages];
    const pongs = [...each.pongs];
    let close = null;
    const isDone = () => messages.length === 0 && pongs.length === 0;
    let hasClosed = mode === 'together';
    for (;;) {
      if (isDone() && each.closing !== null && !hasClosed) {
        hasClosed = true;
        await sending;
        await wire.send(each.closing);
      }
      const read = await wire.next();
      if (read === null) break;
      assert.equal(close, null, 'nothing comes after a close frame');
      if (read.opcode === CLOSE) {
        close = read;
      } else if (read.opcode === PONG) {
        const pong = pongs.shift();
        assert(pong?.equals(read.payload), 'the pong is the next ping');
      } else {
        const message = messages.shift();
        assert(message !== undefined, 'a message that nobody sent');
        assert.equal(read.opcode, message.opcode);
        assert(message.payload.equals(read.payload), 'the message is as it was sent');
      }
    }
    await sending;
    assert(close !== null, `the server sends a close frame before it hangs up (${wire.ended})`);
    assert(each.codes.includes(close.code), `closed with ${close.code}, not ${each.codes}`);
    if (!isDone()) {
      const missing = `${messages.length} messages and ${pongs.length} pongs have not come`;
      const isLax = each.isFailure || mode === 'together';
      throw isLax ? new NotStrict(missing) : new Error(missing);
    }
  } finally {
    wire.destroy();
  }
}

/** Runs jobs, some at a time. Throws what failed. Returns what was not strict. */
async function all(jobs) {
  const failed = [];
  const lax = [];
  let next = 0;
  const worker = async () => {
    while (next < jobs.length) {
      const { name, run } = jobs[next++];
      try {
        await run();
        if (values.verbose) console.log(`# ${name}`);
      } catch (error) {
        if (error instanceof NotStrict && values.lax) {
          lax.push(name);
          continue;
        }
        failed.push(`${name}: ${error.message.split('\n')[0]}`);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  assert.deepEqual(failed, []);
  return lax.length === 0 ? undefined : `not strict: ${lax.sort().join(', ')}`;
}

const started = {};
async function urlOf(settings) {
  if (values.url !== undefined) return values.url;
  const key = JSON.stringify(settings);
  started[key] ??= await startServer({ engine: values.engine, settings });
  return started[key].url;
}

const plain = await urlOf({});
for (const [section, count, make] of SECTIONS) {
  // What is large is made only if it is wanted.
  if (only.length > 0 && !only.some((prefix) => prefix.split('.')[0] === String(section))) continue;
  const made = make();
  assert.equal(made.length, count);
  const cases = made.filter(isWanted);
  for (const mode of cases.length === 0 ? [] : modes) {
    await check(`section ${section}, ${cases.length} cases, ${mode}`, async () => {
      const jobs = cases.map((each) => ({
        name: each.name,
        run: () => play(plain, each, mode),
      }));
      return all(jobs);
    });
  }
}
// With one compressor for all, and with one for each connection, which keeps its window.
const ways = { shared: true };
if (values.engine === 'reactor-rs' && values.url === undefined) {
  ways.dedicated = { compress: 'dedicated', decompress: 'dedicated', threshold: 0 };
}
for (const [way, perMessageDeflate] of Object.entries(ways)) {
  const compressed = await urlOf({ perMessageDeflate });
  for (const [group, cases] of COMPRESSION) {
    const wanted = cases.filter(isWanted);
    if (wanted.length === 0) continue;
    const what = `${wanted.length} cases, ${values.messages} messages, ${way}`;
    await check(`section ${group}, ${what}`, async () => {
      const jobs = wanted.map((each) => ({
        name: each.name,
        run: () => converse(compressed, each, Number(values.messages)),
      }));
      return all(jobs);
    });
  }
}
for (const server of Object.values(started)) {
  await server.stop();
}
finish();
