// Every attack of attacks.mjs, small: it ends as it must, and a client beside it is served.

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { start } from '../support/server.mjs';
import { ATTACKS } from './attacks.mjs';
import { get, Raw } from './raw.mjs';

/** What the attacks ask for. */
async function attacked(t) {
  const server = await start(t, {
    fetch: async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      switch (pathname) {
        case '/wait':
          await sleep(Number(searchParams.get('ms')));
          return new Response('waited');
        case '/held':
        case '/hang':
          return new Promise(() => {});
        case '/echo':
          return new Response(request.body);
        case '/sha':
          return new Response(String((await request.arrayBuffer()).byteLength));
        default:
          return new Response('hello');
      }
    },
  });
  const open = async (how) => {
    const raw = await Raw.open(server.port, how);
    t.teardown(() => raw.destroy());
    return raw;
  };
  return { server, open };
}

for (const { row, name, run } of ATTACKS.filter(({ isLong }) => !isLong)) {
  test.serial(`${row}: ${name}`, async (t) => {
    const { open } = await attacked(t);
    const beside = await open();
    const note = await run({ open, scale: 1 });
    if (note) t.log(note);
    await beside.send(get(1, '/hello'));
    t.is(await beside.outcome(1), '200', 'a client beside it is served');
  });
}
