// The engine's own check of a response's head, behind all that TypeScript checks: what it
// refuses is a 500, and JavaScript is told why.

import test from 'ava';
import { binding } from '../../dist/binding/binding.js';
import { HEAD, REQUEST, RESPONSE, UNSENDABLE } from '../../dist/lane/record.js';
import { resolveOptions } from '../../dist/options/options.js';
import { open } from '../support/wire.mjs';

/** A field as the record of a reply has it. */
function field(name, value) {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(name.length, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, Buffer.from(name + value, 'latin1')]);
}

const REPLIES = {
  'a name that is no token': [200, field('x y', '1'), /field name is not a token/],
  'a name of other bytes': [200, field('x\xe9', '1'), /field name is not a token/],
  'a line end in a value': [200, field('x', 'a\r\nb: c'), /field value holds a control byte/],
  'a line end in the phrase': [200, field('', 'a\r\nb: c'), /reason phrase holds a control byte/],
  'a NUL in Keep-Alive': [200, field('Keep-Alive', 'a\0'), /field value holds a control byte/],
  'a field of the engine’s': [200, field('Content-Length', '5'), /written by the server itself/],
  'a status that is none': [42, field('x', '1'), /it must be from 200 to 999/],
};

for (const [name, [status, fields, why]] of Object.entries(REPLIES)) {
  test(`the engine refuses ${name}`, async (t) => {
    const { NativeLane, start } = binding();
    const { native } = resolveOptions({ port: 0, hostname: '127.0.0.1', ioThreads: 1, fetch() {} });
    let wake = () => {};
    const lane = new NativeLane(() => wake());
    const server = await start(native, [lane.id]);
    t.teardown(() => server.stop(true));
    t.teardown(() => lane.close());
    lane.attach();
    const events = new Uint32Array(4096);
    const bytes = Buffer.alloc(65_536);
    /** The next event of this kind. */
    const next = async (kind) => {
      for (;;) {
        const woken = new Promise((resolve) => {
          wake = resolve;
        });
        const count = lane.turn(events, bytes, new Uint32Array(0), 0, new Uint8Array(0));
        for (let i = 0, at = 0; i < count; i++, at += events[at] >>> 8) {
          if ((events[at] & 0xff) === kind) {
            return [...events.subarray(at, at + (events[at] >>> 8))];
          }
        }
        if (count === 0) {
          await woken;
        }
      }
    };
    for (const kind of [RESPONSE, HEAD]) {
      const client = await open(t, { port: server.address().port, hostname: '127.0.0.1' });
      client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      const [, id] = await next(REQUEST);
      lane.send(kind, id, status, 0, fields, Buffer.from('body'), 0, 0);
      const [, refused, at, length] = await next(UNSENDABLE);
      t.is(refused, id);
      t.regex(bytes.toString('utf8', at, at + length), why);
      const text = await client.closes();
      t.regex(text, /^HTTP\/1\.1 500 /);
      t.false(text.includes('body') || /^b: c/m.test(text), 'nothing of it was sent');
    }
  });
}
