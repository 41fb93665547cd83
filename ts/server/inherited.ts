import type { NativeListen, NativeOptions, NativeServer } from '../binding/binding.js';

/** A listening socket, by the address that the options name. */
export interface NamedSocket {
  readonly key: string;
  readonly fd: number;
}

/** Sockets of the process before this one, until a server takes them. */
let inherited: readonly NamedSocket[] | null = null;

/** The servers of this thread that listen, with the keys of their listeners. */
const running = new Map<NativeServer, readonly string[]>();

/** Servers that start from here on take these sockets in place of binding their addresses. */
export function inherit(sockets: readonly NamedSocket[]): void {
  inherited = sockets;
}

/** Whether this process goes on where another was. */
export function hasInherited(): boolean {
  return inherited !== null;
}

/** Sockets that no server has taken. They are not inherited any more. */
export function leftOver(): readonly NamedSocket[] {
  const left = inherited ?? [];
  inherited = inherited === null ? null : [];
  return left;
}

/** The options of a server with the sockets that it goes on with. */
export function withInherited(options: NativeOptions): NativeOptions {
  if (inherited === null || inherited.length === 0) {
    return options;
  }
  const keys = keysOf(options);
  const take = (at: number): number[] => {
    const isOwn = ({ key }: NamedSocket) => key === keys.at(at);
    const own = inherited?.filter(isOwn) ?? [];
    inherited = inherited?.filter((one) => !isOwn(one)) ?? null;
    return own.map(({ fd }) => fd);
  };
  return {
    ...options,
    listen: options.listen.map((listen, at) => ({ ...listen, inherited: take(at), adopt: true })),
    metricsInherited: take(-1),
  };
}

/** Notes that a server listens. */
export function note(native: NativeServer, options: NativeOptions): void {
  running.set(native, keysOf(options));
}

export function forget(native: NativeServer): void {
  running.delete(native);
}

/** The listening sockets of all servers of this thread. They stay theirs. */
export function socketsOf(): NamedSocket[] {
  return [...running].flatMap(([native, keys]) =>
    native.descriptors().map(({ endpoint, fd }) => ({ key: keys.at(endpoint) as string, fd })),
  );
}

/**
 * What tells the listeners of a server apart, in their order; that of the metrics is last, where -1
 * is its place. Two of the same address, such as port 0, are told apart by their number.
 */
function keysOf({ listen, metrics }: NativeOptions): string[] {
  const seen = new Map<string, number>();
  const keyOf = (one: NativeListen, prefix: string) => {
    const { unix, hostname, port, fd } = one;
    const place = fd === undefined ? (unix ?? `${hostname} ${port}`) : `fd ${fd}`;
    const key = prefix + place;
    const count = seen.get(key) ?? 0;
    seen.set(key, count + 1);
    return `${key} #${count}`;
  };
  return [
    ...listen.map((one) => keyOf(one, '')),
    metrics === undefined ? '' : keyOf(metrics, 'metrics '),
  ];
}
