// Reads a stream of handlers.mjs in a bare loop, without any server: `bare-stream.mjs QUESTION
// SECONDS`. Prints how often, and the CPU time of each in µs.

import { streams } from './handlers.mjs';

const [question, seconds] = process.argv.slice(2);
const make = streams[question];

async function loop(seconds) {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  while (performance.now() < until) {
    for (let i = 0; i < 100; i++) {
      const reader = make().getReader();
      while (!(await reader.read()).done) {
        // What a server would do with the chunk is not counted here.
      }
      count++;
    }
  }
  return count;
}

await loop(Math.min(0.3, seconds));
const from = process.cpuUsage();
const start = performance.now();
const count = await loop(Number(seconds));
const { user, system } = process.cpuUsage(from);
const elapsed = (performance.now() - start) / 1000;
console.log(JSON.stringify({ requests: count, seconds: elapsed, cpu: (user + system) / count }));
