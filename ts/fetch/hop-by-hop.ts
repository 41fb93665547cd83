/**
 * Fields that are about one connection and not about the message (RFC 9110
 * §7.6.1), and `expect`, which the engine has answered. Node's `fetch` refuses
 * most of them.
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

/** The fields of a message that go on with it to the next hop; names are in lower case. */
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
