/**
 * When a round ends, in milliseconds after its first request: spread over 0 to
 * 40, more of them early, and the same for the same seed.
 */
export function moment(seed) {
  // Knuth's multiplicative hash.
  const part = (Math.imul(seed + 1, 2654435761) >>> 0) / 2 ** 32;
  return 40 * part * part;
}
