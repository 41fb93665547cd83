// A share of `npm run endurance -- endings`, on the Node that runs the tests.

import test from 'ava';
import { ANSWERS } from './answers.mjs';
import { ENDINGS, endRepeatedly } from './endings.mjs';

for (const [ending, { survives }] of Object.entries(ENDINGS)) {
  for (const answer of Object.keys(ANSWERS)) {
    test.serial(`a server with ${answer} handlers under load ends well: ${ending}`, async (t) => {
      const { failures } = await endRepeatedly({ ending, answer, rounds: survives ? 4 : 2 });
      t.deepEqual(failures, []);
    });
  }
}
