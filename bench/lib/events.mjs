// One run of tools/sse_client.c: how many server-sent events many clients get.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Failure } from './failure.mjs';
import { sseClient } from './paths.mjs';
import { measure } from './wrk.mjs';

/**
 * Connects, waits until every client has had an event, then measures; a "request" of the
 * figures is an event.
 */
export async function measureEvents(pid, { connections }, { url }, seconds) {
  const { port, pathname } = new URL(url);
  const args = [port, connections, seconds, pathname].map(String);
  const child = spawn(sseClient, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const exit = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    const { value } = await lines.next();
    if (value !== 'ready') throw new Failure(said.trim() || 'sse_client ended');
    return await measure(pid, {}, {}, seconds, async () => {
      child.stdin.end('\n');
      const { events, seconds, ended } = JSON.parse((await lines.next()).value);
      await exit;
      return { rate: events / seconds, requests: events, seconds, errors: ended };
    });
  } finally {
    child.kill('SIGKILL');
  }
}
