// A request that nobody listens to ends without its events. What can be seen of it afterwards is
// the same as in Node, and so is what comes of a listener that is late.

import { finished } from 'node:stream';
import { setImmediate as nextMacrotask } from 'node:timers/promises';
import test from 'ava';
import { both, until } from './both.mjs';

const shownOf = (req) => ({
  readable: req.readable,
  ended: req.readableEnded,
  aborted: req.readableAborted,
  errored: req.errored,
  destroyed: req.destroyed,
  closed: req.closed,
  complete: req.complete,
  length: req.readableLength,
  read: req.read(),
});

/** Asks both servers, and returns what each has noted. */
async function noted(t, handle) {
  const notes = { node: [], reactor: [] };
  const served = await both((create, kind) =>
    create((req, res) => handle(req, res, (...note) => notes[kind].push(note))),
  );
  t.teardown(() => served.close());
  await served.same(t, '/');
  return notes;
}

test('unheard: the state of a request some turns after its answer', async (t) => {
  const notes = await noted(t, async (req, res, note) => {
    res.end('x');
    await nextMacrotask();
    await nextMacrotask();
    note(shownOf(req));
  });
  await until(() => notes.node.length === 1 && notes.reactor.length === 1, 'both');
  t.deepEqual(notes.reactor, notes.node);
});

test('unheard: a listener that comes on finish is called', async (t) => {
  const notes = await noted(t, (req, res, note) => {
    res.on('finish', () => {
      for (const event of ['end', 'close', 'error']) {
        req.on(event, () => note(event));
      }
    });
    res.end('x');
  });
  await until(() => notes.node.length === 2 && notes.reactor.length === 2, 'both');
  t.deepEqual(notes.reactor, notes.node);
});

test('unheard: who waits for the end long after it is told', async (t) => {
  const notes = await noted(t, async (req, res, note) => {
    res.end('x');
    await nextMacrotask();
    await nextMacrotask();
    finished(req, (error) => note('req', error?.code));
    finished(res, (error) => note('res', error?.code));
  });
  await until(() => notes.node.length === 2 && notes.reactor.length === 2, 'both');
  t.deepEqual(notes.reactor, notes.node);
});

test('unheard: a loop over the request that begins on finish ends', async (t) => {
  const notes = await noted(t, (req, res, note) => {
    res.on('finish', async () => {
      for await (const piece of req) {
        note(piece);
      }
      note('end');
    });
    res.end('x');
  });
  await until(() => notes.node.length === 1 && notes.reactor.length === 1, 'both');
  t.deepEqual(notes.reactor, notes.node);
});

test('unheard: a response that is not finished is closed with its socket', async (t) => {
  const notes = { node: [], reactor: [] };
  const served = await both((create, kind) =>
    create((req, res) => {
      res.on('close', () =>
        notes[kind].push(['res', res.destroyed, res.closed, res.writableFinished]),
      );
      req.socket.on('close', () => notes[kind].push(['socket']));
      setImmediate(() => req.socket.destroy());
    }),
  );
  t.teardown(() => served.close());
  for (const kind of ['node', 'reactor']) {
    await t.throwsAsync(fetch(`http://127.0.0.1:${served[kind].address().port}/`));
    await until(() => notes[kind].length === 2, `the events of ${kind}`);
  }
  t.deepEqual(notes.reactor, notes.node);
});
