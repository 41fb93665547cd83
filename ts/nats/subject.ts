const DOT = 0x2e;

/** Bytes that a subject's token has as they are. */
const PLAIN = /^[\w:/{}-]$/;

/**
 * The subject of a channel. Dots between other characters stay, so that the permissions of a broker
 * can name a part; what no subject may have is written as `%` and two digits.
 */
export function subjectOf(channel: string): string {
  let subject = '';
  const bytes = Buffer.from(channel);
  for (const [at, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte);
    const isInner =
      at > 0 && at < bytes.length - 1 && bytes[at - 1] !== DOT && bytes[at + 1] !== DOT;
    const isKept = byte === DOT ? isInner : byte < 0x80 && PLAIN.test(character);
    subject += isKept ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return subject;
}
