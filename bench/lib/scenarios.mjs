// The loads, and what the project promises under them.

export const scenarios = {
  c64: { connections: 64 },
  pipelined: { connections: 64, depth: 16 },
  c512: { connections: 512 },
};

/** Ratios to the control in the same scenario: of `rate` at least, of `cpu` at most. */
const promises = [
  { scenario: 'c64', contender: 'inline', of: 'rate', least: 0.95 },
  { scenario: 'c64', contender: 'worker-i1w1', of: 'rate', least: 0.9 },
  { scenario: 'c64', contender: 'worker-i4w8', of: 'rate', least: 0.65 },
  { scenario: 'pipelined', contender: 'inline', of: 'cpu', most: 3 },
  { scenario: 'pipelined', contender: 'worker-i1w1', of: 'rate', least: 0.5 },
];

/** @param medians scenario → contender → medians */
export function judge(medians) {
  return promises.map(({ scenario, contender, of, least, most }) => {
    const mine = medians[scenario]?.[contender]?.[of];
    const control = medians[scenario]?.control?.[of];
    const ratio = mine != null && control ? mine / control : null;
    const noun = of === 'cpu' ? 'server CPU per request' : 'req/s';
    const bound = least ? `≥ ${least}` : `≤ ${most}`;
    return {
      text: `${scenario}: ${contender} ${noun} ${bound} × control`,
      value: ratio == null ? null : `${ratio.toFixed(3)} ×`,
      met: ratio == null ? null : least ? ratio >= least : ratio <= most,
    };
  });
}
