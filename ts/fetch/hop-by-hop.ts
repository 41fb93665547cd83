/**
 * The hop-by-hop fields (RFC 9110 §7.6.1), which describe one connection and not the message.
 * `expect` is among them, because the engine has answered it. Node's `fetch` refuses most of these.
 */
const HOP_BY_HOP: readonly string[] = [
  'connection',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

export type Field = [name: string, value: string];

/**
 * The end-to-end fields of a message, which go on with it to the next hop. Names are in lower case.
 */
export function endToEnd(fields: Iterable<Field>): Field[] {
  const all = [...fields];
  const named = all.flatMap(([name, value]) => (name === 'connection' ? listOf(value) : []));
  const left = new Set([...HOP_BY_HOP, ...named]);
  return all.flatMap(([name, value]) => (left.has(name) ? [] : [[name, value] as Field]));
}

/** The items of a comma-separated list, in lower case. */
export function listOf(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((item) => item.trim());
}
