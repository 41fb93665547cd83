// What the names of contenders say.

/** Kinds that are this project's: the fetch handler, (req, res), a native route, Hono, a folder. */
const OURS = ['reactor', 'face', 'inline', 'worker', 'per-loop', 'hono-reactor', 'folder'];

/** Kinds that run no JavaScript handlers, and one that is no server. */
const NO_JAVASCRIPT = ['control', 'nginx', 'h2o', 'bare'];

/** `reactor-26@before` is of the kind `reactor`, on Node 26; `worker-i4w8` of `worker`. */
export function kindOf(name) {
  return name.replace(/@before$/, '').replace(/-(\d+|i\d+w\d+)$/, '');
}

/** The version of Node in a name, or null. */
export function nodeOf(name) {
  return /-(\d+)(@before)?$/.exec(name)?.[1] ?? null;
}

export function isOurs(name) {
  return OURS.includes(kindOf(name));
}

/** Whether it may be the best peer: another server that runs JavaScript handlers. */
export function isPeer(name) {
  return !isOurs(name) && !NO_JAVASCRIPT.includes(kindOf(name));
}

/** The peer with the least of a figure, [name, value], or null. */
export function bestPeer(byName, of = 'cpu') {
  const all = Object.entries(byName)
    .filter(([name, figures]) => isPeer(name) && figures[of])
    .map(([name, figures]) => [name, [figures[of]].flat()[0]])
    .sort(([, a], [, b]) => a - b);
  return all[0] ?? null;
}
