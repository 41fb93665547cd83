// Checks that are printed as TAP.

/** Checks of this process. */
export const tally = { passed: 0, failed: 0, skipped: 0 };

/**
 * One check, printed as a line of TAP.
 * @param {string} name
 * @param {() => unknown} run throws where it fails
 */
export async function check(name, run) {
  try {
    const note = await run();
    tally.passed++;
    console.log(`ok - ${name}${typeof note === 'string' ? ` # ${note}` : ''}`);
  } catch (error) {
    tally.failed++;
    console.log(`not ok - ${name}`);
    console.log(`  ${String(error?.stack ?? error).replaceAll('\n', '\n  ')}`);
  }
}

/** @param {string} what is left out, and why */
export function skip(what) {
  tally.skipped++;
  console.log(`# skipped: ${what}`);
}

/** Prints what was counted, and sets the exit code. */
export function finish() {
  console.log(`# ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}
