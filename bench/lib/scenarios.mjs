// The loads, and what the project promises under them.

export const scenarios = {
  c64: { connections: 64 },
  pipelined: { connections: 64, depth: 16 },
  c512: { connections: 512 },
};

/** Ratios to another, by default the control, in the same scenario: of `rate` at least, of `cpu` at most. */
const promises = [
  { scenario: 'c64', contender: 'inline', of: 'rate', least: 0.95 },
  { scenario: 'c64', contender: 'worker-i1w1', of: 'rate', least: 0.9 },
  { scenario: 'c64', contender: 'worker-i4w8', of: 'rate', least: 0.65 },
  { scenario: 'pipelined', contender: 'inline', of: 'cpu', most: 3 },
  { scenario: 'pipelined', contender: 'worker-i1w1', of: 'rate', least: 0.5 },
  ...['c64', 'pipelined'].flatMap((scenario) =>
    ['nginx', 'h2o'].map((to) => ({ scenario, contender: 'inline', of: 'rate', least: 1, to })),
  ),
  { scenario: 'c64', contender: 'js-reactor', of: 'rate', least: 0.95 },
  { scenario: 'c64', contender: 'js-reactor', of: 'rate', least: 1, to: 'js-uws' },
  { scenario: 'c64', contender: 'js-reactor', of: 'rate', least: 1, to: 'js-bun' },
  { scenario: 'c64', contender: 'js-reactor', of: 'rate', least: 1, to: 'js-deno' },
  { scenario: 'c64', contender: 'js-reactor', of: 'rate', least: 2.4, to: 'node-http' },
  { scenario: 'pipelined', contender: 'js-reactor', of: 'rate', least: 0.6 },
  { scenario: 'pipelined', contender: 'js-reactor', of: 'rate', least: 2.5, to: 'js-bun' },
  { scenario: 'pipelined', contender: 'js-reactor', of: 'rate', least: 2.5, to: 'js-deno' },
  { scenario: 'pipelined', contender: 'js-reactor', of: 'rate', least: 8, to: 'node-http' },
  { scenario: 'c64', contender: 'api-reactor', of: 'rate', least: 1, to: 'api-bun' },
  { scenario: 'c64', contender: 'api-reactor', of: 'rate', least: 1, to: 'api-deno' },
  { scenario: 'c64', contender: 'api-reactor', of: 'rate', least: 2, to: 'api-node' },
  { scenario: 'c64', contender: 'api-reactor-26', of: 'rate', least: 1, to: 'api-bun' },
  { scenario: 'c64', contender: 'api-reactor-26', of: 'rate', least: 2, to: 'api-node-26' },
  { scenario: 'c64', contender: 'hono-reactor', of: 'rate', least: 2, to: 'hono-node' },
  { scenario: 'c64', contender: 'hono-json-reactor', of: 'rate', least: 2, to: 'hono-json-node' },
];

/** @param medians scenario → contender → medians */
export function judge(medians) {
  return promises.map(({ scenario, contender, of, least, most, to = 'control' }) => {
    const mine = medians[scenario]?.[contender]?.[of];
    const other = medians[scenario]?.[to]?.[of];
    const ratio = mine != null && other ? mine / other : null;
    const noun = of === 'cpu' ? 'server CPU per request' : 'req/s';
    const bound = least ? `≥ ${least}` : `≤ ${most}`;
    return {
      text: `${scenario}: ${contender} ${noun} ${bound} × ${to}`,
      value: ratio == null ? null : `${ratio.toFixed(3)} ×`,
      met: ratio == null ? null : least ? ratio >= least : ratio <= most,
    };
  });
}

/** What a change may cost: CPU per request against the same contender before it. */
export function compared(medians) {
  return Object.entries(medians).flatMap(([scenario, byName]) =>
    Object.keys(byName)
      .filter((name) => Object.hasOwn(byName, `${name}@before`))
      .map((name) => {
        const ratio = byName[name].cpu / byName[`${name}@before`].cpu;
        return {
          text: `${scenario}: ${name} server CPU per request ≤ 1.03 × before`,
          value: `${ratio.toFixed(3)} ×`,
          met: ratio <= 1.03,
        };
      }),
  );
}
