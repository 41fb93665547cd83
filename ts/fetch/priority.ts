import type { RequestPriority } from '../types/handler.js';

/** What a request has whose client says nothing (RFC 9218 §4). */
const DEFAULT: RequestPriority = Object.freeze({ urgency: 3, incremental: false });

/** A member of a dictionary (RFC 8941 §3.2) as far as it matters here: key, and integer or boolean. */
const MEMBER =
  /^[ \t]*([a-z*][a-z0-9_.*-]*)(?:=(-?\d{1,15}|\?[01]|[^;, \t]+|"[^"]*"))?(?:;[^,]*)?[ \t]*$/;

/** The priority that a request's field tells. One that is malformed counts as none. */
export function priorityOf(field: string | null): RequestPriority {
  if (field === null) {
    return DEFAULT;
  }
  let { urgency, incremental } = DEFAULT;
  for (const member of field.split(',')) {
    const match = MEMBER.exec(member);
    if (match === null) {
      return DEFAULT;
    }
    const [, key, value] = match;
    if (key === 'u') {
      urgency = value !== undefined && /^[0-7]$/.test(value) ? Number(value) : DEFAULT.urgency;
    } else if (key === 'i') {
      incremental = value === undefined || value === '?1';
    }
  }
  return { urgency, incremental };
}
