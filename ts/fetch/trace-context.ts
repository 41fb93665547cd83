/** What a `traceparent` says (W3C Trace Context, level 2, §2.2). */
export interface TraceParent {
  readonly traceId: string;
  readonly parentId: string;
  readonly flags: number;
}

/** A caller may have recorded what it did. */
export const SAMPLED = 1;
/** The right half of the trace's id is random. */
export const RANDOM = 2;

/**
 * Lower case only; neither id is all zeros, and there is no version ff. A later version may have more
 * behind a dash. Two fields of this name are no `traceparent`: they are joined by a comma.
 */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?$/;

/** `null` for what is none. The engine has the same rules in `observe/access_log/trace.rs`. */
export function parseTraceParent(field: string | null): TraceParent | null {
  const found = field === null ? null : TRACEPARENT.exec(field);
  if (found === null || (found[1] === '00' && found[5] !== undefined)) {
    return null;
  }
  return {
    traceId: found[2] as string,
    parentId: found[3] as string,
    // Those that are not known must not be sent on.
    flags: Number.parseInt(found[4] as string, 16) & (SAMPLED | RANDOM),
  };
}

/** Members of a `tracestate` at most (§3.3.1.1). */
const MOST_MEMBERS = 32;
/** What is sent on at least; here also at most. */
const MOST_LENGTH = 512;
/** A longer member is dropped before others (§3.3.1.5). */
const LONG_MEMBER = 128;

const MEMBER =
  /^([a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * The `tracestate` that is sent on. It is empty if there is none, and if it is malformed: then all of
 * it is to be dropped.
 */
export function parseTraceState(field: string | null): string {
  if (field === null) {
    return '';
  }
  let members = field
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  const keys = new Set(members.map((member) => MEMBER.exec(member)?.[1]));
  if (members.length > MOST_MEMBERS || keys.size < members.length || keys.has(undefined)) {
    return '';
  }
  if (members.join(',').length > MOST_LENGTH) {
    members = members.filter((member) => member.length <= LONG_MEMBER);
  }
  while (members.join(',').length > MOST_LENGTH) {
    members.pop();
  }
  return members.join(',');
}

/** Writes the field. */
export function traceParentOf(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags}`;
}
