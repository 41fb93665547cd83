// A mistake of the user or a missing program: one line, no stack.

export class Failure extends Error {}

/** Runs a program's main function; the exit code is 1 for a failure, 2 for wrong usage. */
export async function main(run) {
  try {
    process.exitCode = (await run()) ?? 0;
  } catch (error) {
    const wrongUsage = error.code?.startsWith('ERR_PARSE_ARGS');
    if (!wrongUsage && !(error instanceof Failure)) throw error;
    console.error(`bench: ${error.message}`);
    process.exitCode = wrongUsage ? 2 : 1;
  }
}
