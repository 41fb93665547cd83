// What users would wait at a steady rate: latency from when a request was due, in an open loop.
// Rates are shares of a server's own peak, and the same shares of the best peer's, where the
// servers have the same work to do.

import { bench } from './load.mjs';
import { fixed, median, whole } from './numbers.mjs';
import { summarise, turned } from './rounds.mjs';
import { measure } from './wrk.mjs';

/** Rounds in which the peaks are measured. */
const PEAK_ROUNDS = 3;

/**
 * @param parts [name, scenario] of one load, each with its `share` of the peak that it is `of`
 * @param isPeer whether a server may be the one whose peak the others get too
 * @returns scenario → contender → figures
 */
export async function runOpenLoop(parts, servers, settings, isPeer) {
  const [[, { load }]] = parts;
  const { rounds, duration, warmup } = settings;
  const peaks = await findPeaks(servers, load, duration, warmup, Math.min(rounds, PEAK_ROUNDS));
  const ofPeers = servers.filter(({ name }) => isPeer(name)).map(({ name }) => peaks[name]);
  const common = Math.max(0, ...ofPeers);

  const runs = parts.map(() => Object.fromEntries(servers.map(({ name }) => [name, []])));
  for (let round = 0; round < rounds; round++) {
    for (const [nth, [name, { share, of }]] of parts.entries()) {
      for (const server of turned(servers, round)) {
        const rate = Math.round((of === 'own' ? peaks[server.name] : common) * share);
        // A rate beyond its peak would measure a queue that grows.
        if (rate === 0 || rate > peaks[server.name]) continue;
        const result = await measure(server.pid, { ...load, rate }, server.target, duration, bench);
        runs[nth][server.name].push({ ...result, target: rate });
        const note = result.reached ? '' : ', NOT REACHED';
        const p99 = `p99 ${whole(result.p99)} µs, ${fixed(result.serverCores)} cores`;
        const place = `${name} ${round + 1}/${rounds} ${server.name}`;
        console.error(`bench: ${place}: ${whole(rate)}/s, ${p99}${note}`);
      }
    }
  }
  return Object.fromEntries(
    parts.map(([name], nth) => [
      name,
      Object.fromEntries(
        servers
          .filter((server) => runs[nth][server.name].length > 0)
          .map((server) => {
            const mine = runs[nth][server.name];
            const reached = mine.filter((run) => run.reached).length;
            const peak = Math.round(peaks[server.name]);
            return [server.name, { ...summarise(server, mine), peak, reached }];
          }),
      ),
    ]),
  );
}

/** Each server's median rate in a closed loop of the same client. */
async function findPeaks(servers, load, duration, warmup, rounds) {
  const rates = Object.fromEntries(servers.map(({ name }) => [name, []]));
  for (const { target } of warmup > 0 ? servers : []) await bench(load, target, warmup);
  for (let round = 0; round < rounds; round++) {
    for (const { name, target } of turned(servers, round)) {
      const { rate } = await bench(load, target, duration);
      rates[name].push(rate);
      console.error(`bench: peak ${round + 1}/${rounds} ${name}: ${whole(rate)} req/s`);
    }
  }
  return Object.fromEntries(Object.entries(rates).map(([name, list]) => [name, median(list)]));
}
