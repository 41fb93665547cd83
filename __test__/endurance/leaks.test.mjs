// A share of `npm run endurance -- leak`.

import test from 'ava';
import { watch } from './leaks.mjs';

/** Three trials where something grows, on a machine that does other things too. */
const SLOW_MS = 600_000;

test.serial('memory, descriptors and threads stay the same over many requests', async (t) => {
  t.timeout(SLOW_MS);
  const { sent, problems } = await watch({ requests: 150_000 });
  t.true(sent >= 150_000);
  t.deepEqual(problems, []);
});

test.serial('a hundred bytes a request that a handler keeps are found', async (t) => {
  t.timeout(SLOW_MS);
  // Every third request or so is for the handler that keeps them.
  const { problems } = await watch({ requests: 60_000, leak: 300 });
  t.regex(problems.join(), /javascript memory grew by \d+ bytes a request/);
});
