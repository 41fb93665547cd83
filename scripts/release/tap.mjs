// Checks that print a line each, in TAP, as scripts/check.mjs counts them.

let number = 0;
let failed = 0;
let skipped = 0;

/**
 * One check: it fails by throwing, and may return what it found.
 * @param {string} name
 * @param {() => unknown} run
 */
export async function check(name, run) {
  try {
    const found = await run();
    // Counted when they end: some run at the same time.
    number++;
    process.stdout.write(`ok ${number} - ${name}${found === undefined ? '' : `: ${found}`}\n`);
  } catch (error) {
    number++;
    failed++;
    const text = String(error?.stack ?? error).replace(/^/gm, '  # ');
    process.stdout.write(`not ok ${number} - ${name}\n${text}\n`);
    process.exitCode = 1;
  }
}

/** What could not be checked, and why. It counts neither way. */
export function skip(what, why) {
  skipped++;
  process.stdout.write(`# skipped: ${what}: ${why}\n`);
}

/**
 * The end of the output.
 * @returns {{ failed: number, skipped: number }}
 */
export function plan() {
  process.stdout.write(`1..${number}\n`);
  if (failed > 0) {
    process.stdout.write(`# ${failed} of ${number} failed\n`);
  }
  return { failed, skipped };
}
