// What users would wait at a steady rate: latency from when a request was due, in an open loop.
// Rates are shares of a server's own peak, and the same shares of the best peer's, where the
// servers have the same work to do.

import { bench } from './load.mjs';
import { fixed, median, whole } from './numbers.mjs';
import { attempt, summaries, summarise, turned } from './rounds.mjs';
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
        const once = () => measure(server.pid, { ...load, rate }, server.target, duration, bench);
        const result = await attempt(server, once);
        if (result === null) continue;
        runs[nth][server.name].push({ ...result, target: rate });
        const note = result.reached ? '' : ', NOT REACHED';
        const p99 = `p99 ${whole(result.p99)} µs, ${fixed(result.serverCores)} cores`;
        const place = `${name} ${round + 1}/${rounds} ${server.name}`;
        console.error(`bench: ${place}: ${whole(rate)}/s, ${p99}${note}`);
      }
    }
  }
  return Object.fromEntries(
    parts.map(([name], nth) => {
      const took = servers.filter((server) => runs[nth][server.name].length > 0);
      const figures = summaries(took, (server) => {
        const mine = runs[nth][server.name];
        const reached = mine.filter((run) => run.reached).length;
        return { ...summarise(server, mine), peak: Math.round(peaks[server.name]), reached };
      });
      return [name, figures];
    }),
  );
}

/** Each server's median rate in a closed loop of the same client. */
async function findPeaks(servers, load, duration, warmup, rounds) {
  const rates = Object.fromEntries(servers.map(({ name }) => [name, []]));
  for (const server of warmup > 0 ? servers : []) {
    await attempt(server, () => bench(load, server.target, warmup));
  }
  for (let round = 0; round < rounds; round++) {
    for (const server of turned(servers, round)) {
      const result = await attempt(server, () => bench(load, server.target, duration));
      if (result === null) continue;
      rates[server.name].push(result.rate);
      const place = `peak ${round + 1}/${rounds} ${server.name}`;
      console.error(`bench: ${place}: ${whole(result.rate)} req/s`);
    }
  }
  return Object.fromEntries(Object.entries(rates).map(([name, list]) => [name, median(list) ?? 0]));
}
