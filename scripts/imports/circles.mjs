// Circles in a graph of files or modules.

/**
 * One circle for each group of nodes that reach each other.
 * @param {ReadonlyMap<string, unknown>} nodes
 * @param {(node: string) => readonly string[]} next
 * @returns {string[][]} each begins and ends with the same node
 */
export function circlesOf(nodes, next) {
  const circles = [];
  /** Nodes that no circle goes through that has not been found. */
  const done = new Set();
  const path = [];
  const visit = (node) => {
    const at = path.indexOf(node);
    if (at >= 0) {
      circles.push([...path.slice(at), node]);
      return;
    }
    if (done.has(node)) {
      return;
    }
    path.push(node);
    for (const other of next(node)) {
      visit(other);
    }
    path.pop();
    done.add(node);
  };
  for (const node of nodes.keys()) {
    visit(node);
  }
  return circles;
}

/** `a.ts:3 → b.ts:1 → a.ts`: each file with the line that imports the next. */
export function shownCircle(circle, graph) {
  return circle
    .map((file, i) => {
      const found = graph.get(file).find((each) => each.file === circle[i + 1]);
      return found === undefined ? file : `${file}:${found.line}`;
    })
    .join(' → ');
}
