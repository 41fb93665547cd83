// A share of `npm run endurance -- abuse`: attackers, and the clients beside them.

import test from 'ava';
import { testWith } from '../support/programs.mjs';
import { DRAINS, drains, mutations, SLOW_MODES, slow } from './abuse.mjs';

const SLOW_MS = 600_000;

test.serial('damaged requests get the answers that are due, and no more', async (t) => {
  t.timeout(SLOW_MS);
  // Others each time; a failure prints the seed of the one that failed.
  const seed = Math.floor(Math.random() * 2 ** 48);
  const { problems, ...counts } = await mutations({ connections: 25_000, seed });
  t.log(counts);
  t.deepEqual(problems, []);
  t.is(counts.connections, 25_000);
});

for (const mode of Object.keys(SLOW_MODES)) {
  testWith('slowhttptest', test.serial)(
    `1,000 slow clients leave others be: ${mode}`,
    async (t) => {
      t.timeout(SLOW_MS);
      const { problems, ...counts } = await slow(mode, { connections: 1000, seconds: 6 });
      t.log(counts);
      t.deepEqual(problems, []);
    },
  );
}

for (const kind of Object.keys(DRAINS)) {
  test.serial(`a stop loses nothing: ${kind}`, async (t) => {
    t.timeout(SLOW_MS);
    const { problems, summary } = await drains(kind, { rounds: 3 });
    t.log(summary);
    t.deepEqual(problems, []);
  });
}
