// What the project promises of these scenarios, as issue 13 lists it, and what a change may cost.

import { kindOf, nodeOf } from './kinds.mjs';

/** The servers that run JavaScript handlers: who may be "the best peer". */
export const PEERS = ['node', 'uws', 'bun', 'deno'];

/**
 * Each promise: the figure `of` the contender `mine` in a scenario, at most or at least so
 * many times that of `to`: a kind, or the best of several, by that figure or by `bestBy`.
 */
const promises = [
  // 1. Short connections.
  ...['conn-new', 'conn-10'].flatMap((scenario) => [
    { scenario, mine: 'reactor', of: 'cpu', most: 1, to: ['uws'] },
    { scenario, mine: 'inline', of: 'cpu', most: 1, to: ['nginx'] },
    { scenario, mine: 'reactor', of: 'cpu', most: 1, to: ['nginx'] },
  ]),
  // 2. Uploads.
  ...['counted', 'collected'].flatMap((how) => [
    { scenario: `upload-64k-${how}`, mine: 'reactor', of: 'cpu', most: 1.1, to: ['uws'] },
    { scenario: `upload-1m-${how}`, mine: 'reactor', of: 'cpu', most: 1.25, to: ['uws'] },
    { scenario: `upload-20m-${how}`, mine: 'reactor', of: 'cpu', most: 1.25, to: ['uws'] },
  ]),
  ...['1m', '20m'].map((size) => ({
    scenario: `upload-${size}-collected`,
    mine: 'reactor',
    of: 'growth',
    mostBytes: { '1m': 8 * 2 ** 20, '20m': 4 * 20 * 2 ** 20 }[size],
  })),
  // 3. Streams.
  ...['stream-generator', 'stream-readable'].map((scenario) => {
    return { scenario, mine: 'reactor', of: 'cpu', most: 1, to: ['bun'] };
  }),
  ...['stream-start', 'stream-pull'].map((scenario) => {
    return { scenario, mine: 'reactor', of: 'cpu', most: 1.15, to: ['bare'] };
  }),
  // 4. Late and large answers, one connection, many.
  { scenario: 'late-immediate', mine: 'reactor', of: 'cpu', most: 1.1, to: ['uws'] },
  { scenario: 'string-64k', mine: 'reactor', of: 'cpu', most: 1, to: ['bun'] },
  { scenario: 'bytes-64k', mine: 'reactor', of: 'cpu', most: 0.9, to: ['bun'] },
  { scenario: 'hello-c1', mine: 'reactor', of: 'cpu', most: 1, to: ['uws'] },
  { scenario: 'hello-c1', mine: 'reactor', of: 'p99', most: 1, to: ['uws'] },
  { scenario: 'hello-c4096', mine: 'reactor', of: 'rate', least: 1, to: PEERS },
  { scenario: 'hello-c4096', mine: 'reactor', of: 'p99', most: 1, to: PEERS },
  // 5. Ahead of every peer.
  ...['hello-c64', 'hello-c512', 'hello-pipelined', 'api', 'json-12k', 'headers'].map(
    (scenario) => ({ scenario, mine: 'reactor', of: 'cpu', most: 1, to: PEERS }),
  ),
  ...['hello-c64', 'hello-pipelined'].map((scenario) => {
    return { scenario, mine: 'inline', of: 'cpu', most: 1, to: ['nginx', 'h2o'] };
  }),
  // At a share of its own peak a slow server has little to do: the best is who has the highest.
  ...['steady-own-50', 'steady-own-70'].map((scenario) => {
    return { scenario, mine: 'reactor', of: 'p99', most: 1, to: PEERS, bestBy: 'peak' };
  }),
  ...['steady-peer-50', 'steady-peer-70'].map((scenario) => {
    return { scenario, mine: 'reactor', of: 'p99', most: 1, to: PEERS };
  }),
  ...['steady-own-50', 'steady-peer-50'].map((scenario) => {
    return { scenario, mine: 'reactor', of: 'serverCores', most: 1, to: ['bun'] };
  }),
  // TLS, as issue 14 lists it. A rate per core is the reverse of the CPU per request.
  { scenario: 'tls-full', mine: 'inline', of: 'cpu', most: 1, to: ['nginx'] },
  { scenario: 'tls-full', mine: 'reactor', of: 'cpu', most: 0.67, to: ['node'] },
  { scenario: 'tls-resumed', mine: 'inline', of: 'cpu', most: 1, to: ['nginx'] },
  { scenario: 'tls-c64', mine: 'inline', of: 'cpu', most: 0.9, to: ['nginx'] },
  { scenario: 'tls-c64', mine: 'reactor', of: 'cpu', most: 1, to: ['uws', 'bun', 'deno'] },
  { scenario: 'tls-1m', mine: 'inline', of: 'cpu', most: 1.05, to: ['nginx'] },
  // WebSocket, as issue 15 lists it.
  ...['20-c64', '1k-c64', '64k-c64', '20-c1000', '1k-c1000', '64k-c1000', 'tls', 'tls-1k'].flatMap(
    (name) => [
      { scenario: `websocket-${name}`, mine: 'reactor', of: 'cpu', most: 0.9, to: ['uws'] },
      { scenario: `websocket-${name}`, mine: 'reactor', of: 'cpu', most: 1, to: ['bun'] },
      { scenario: `websocket-${name}`, mine: 'reactor', of: 'cpu', most: 0.3, to: ['node'] },
    ],
  ),
  { scenario: 'websocket-deflate', mine: 'reactor', of: 'cpu', most: 1, to: ['uws'] },
  { scenario: 'websocket-broadcast', mine: 'reactor', of: 'cpu', most: 0.8, to: ['uws'] },
  // Files, as issue 16 lists it.
  ...['1k', '16k', '64k', '1m', 'mix'].flatMap((name) => [
    ...['nginx', 'h2o'].map((to) => {
      return { scenario: `files-${name}`, mine: 'folder', of: 'cpu', most: 0.9, to: [to] };
    }),
    ...['sirv', 'serve-static'].map((to) => {
      return { scenario: `files-${name}`, mine: 'folder', of: 'cpu', most: 0.2, to: [to] };
    }),
  ]),
  ...['cold', 'disk'].map((name) => {
    return { scenario: `files-${name}`, mine: 'folder', of: 'cpu', most: 1.1, to: ['nginx'] };
  }),
  // HTTP/2, as issue 17 lists it.
  ...['http2-hello', 'http2-tls'].flatMap((scenario) => [
    { scenario, mine: 'inline', of: 'cpu', mostMicros: 2 },
    { scenario, mine: 'inline', of: 'cpu', most: 1.2, to: ['h2o'] },
    { scenario, mine: 'inline', of: 'cpu', most: 0.25, to: ['nginx'] },
    { scenario, mine: 'reactor', of: 'cpu', most: 0.2, to: ['node'] },
    { scenario, mine: 'reactor', of: 'cpu', most: 1, to: ['bun'] },
    { scenario, mine: 'reactor', of: 'cpu', most: 1, to: ['deno'] },
  ]),
  // 6. reactor-rs/node.
  ...['express', 'fastify'].map((scenario) => {
    return { scenario, mine: 'face', of: 'rate', least: 1.5, to: ['node'] };
  }),
];

/** What the figures are called. */
const NOUNS = {
  cpu: 'CPU per request',
  rate: 'rate',
  p99: 'p99',
  growth: 'growth of memory',
  serverCores: 'cores',
};

/**
 * @param results scenario → contender → figures, each [median, least, most]
 */
export function judge(results) {
  const each = promises.flatMap((promise) => {
    const figures = results[promise.scenario];
    if (figures === undefined) return [];
    return namesOf(figures, promise.mine).map((name) => verdict(promise, name, figures));
  });
  return [...each, ...neverBelow(results)];
}

/** The contenders of a kind, without those of another checkout. */
function namesOf(figures, kind) {
  return Object.keys(figures).filter((name) => kindOf(name) === kind && !name.endsWith('@before'));
}

/**
 * reactor-rs/node answers no fewer requests than node:http on the same Node, whatever the
 * scenario; where the rate is given, it needs no more CPU.
 */
function neverBelow(results) {
  const byName = new Map();
  for (const [scenario, figures] of Object.entries(results)) {
    for (const name of namesOf(figures, 'face')) {
      const node = name.replace('face', 'node');
      const isGiven = ['events', 'websocket-broadcast'].includes(scenario);
      const [mine, other] = [name, node].map((name) => {
        return figures[name] && figureOf(figures[name], isGiven ? 'cpu' : 'rate');
      });
      if (!mine || !other) continue;
      const ratio = isGiven ? other / mine : mine / other;
      byName.set(name, [...(byName.get(name) ?? []), { scenario, ratio }]);
    }
  }
  return [...byName].map(([name, list]) => {
    const below = list.filter(({ ratio }) => ratio < 1);
    const words = below.map(({ scenario, ratio }) => `${scenario} ${ratio.toFixed(2)} ×`);
    return {
      text: `${name}, rate ≥ 1 × ${name.replace('face', 'node')} in every scenario`,
      value: [`${list.length - below.length} of ${list.length}`, ...words].join(', '),
      met: below.length === 0,
    };
  });
}

function verdict(promise, name, figures) {
  const { scenario, of, least, most, mostBytes, mostMicros, to = [] } = promise;
  const mine = figureOf(figures[name], of);
  if (mostMicros !== undefined) {
    return {
      text: `${scenario}: ${name}, ${NOUNS[of]} ≤ ${mostMicros} µs`,
      value: mine === null ? null : `${mine.toFixed(2)} µs`,
      met: mine === null ? null : mine <= mostMicros,
    };
  }
  if (mostBytes !== undefined) {
    const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
    return {
      text: `${scenario}: ${name}, ${NOUNS[of]} ≤ the bodies that are open, ${mib(mostBytes)}`,
      value: mine === null ? null : mib(mine),
      met: mine === null ? null : mine <= mostBytes,
    };
  }
  const other = opponent(name, promise, figures);
  const bound = least === undefined ? `≤ ${most}` : `≥ ${least}`;
  const text = `${scenario}: ${name}, ${NOUNS[of]} ${bound} × ${other?.name ?? to.join(' or ')}`;
  if (mine === null || other === null) return { text, value: null, met: null };
  const ratio = mine / other.value;
  const met = least === undefined ? ratio <= most : ratio >= least;
  return { text, value: `${ratio.toFixed(3)} ×`, met };
}

/**
 * The one to be compared with: on the same Node where there is one, else on the newest;
 * of several kinds the best.
 */
function opponent(name, { of, to, least, bestBy = of }, figures) {
  const major = nodeOf(name);
  const isMostBest = least !== undefined || bestBy === 'peak';
  const candidates = to
    .map((kind) => {
      const names = Object.keys(figures).filter((name) => kindOf(name) === kind);
      return names.find((name) => nodeOf(name) === major) ?? names.at(-1);
    })
    .filter((name) => name !== undefined)
    .map((name) => ({
      name,
      value: figureOf(figures[name], of),
      rank: figureOf(figures[name], bestBy),
    }))
    .filter(({ value, rank }) => value !== null && rank !== null)
    .sort((a, b) => (isMostBest ? b.rank - a.rank : a.rank - b.rank));
  return candidates[0] ?? null;
}

function figureOf(figures, of) {
  if (of === 'growth') {
    const { memory } = figures;
    return memory ? memory.most - memory.start : null;
  }
  return [figures[of]].flat()[0] ?? null;
}

/** What a change may cost: CPU per request against the same contender before it. */
export function comparisons(results) {
  return Object.entries(results).flatMap(([scenario, byName]) =>
    Object.keys(byName)
      .filter((name) => Object.hasOwn(byName, `${name}@before`))
      .map((name) => {
        const ratio = byName[name].cpu[0] / byName[`${name}@before`].cpu[0];
        return {
          text: `${scenario}: ${name}, CPU per request ≤ 1.03 × before`,
          value: `${ratio.toFixed(3)} ×`,
          met: ratio <= 1.03,
        };
      }),
  );
}
