// Tests of programs that are not the project's own.

import { skipReason } from '../../scripts/programs.mjs';

/**
 * `test`, for tests that run a program: where that is missing they are skipped, and say why.
 *
 * @template {{ skip: unknown }} Test
 * @param {string} name
 * @param {Test} test
 * @param {string} [at] the program's path, where that is not to be looked for
 * @returns {Test | Test['skip']}
 */
export function testWith(name, test, at) {
  const why = skipReason(name, at);
  if (why === null) {
    return test;
  }
  console.log(`skipped: ${why}`);
  return test.skip;
}
