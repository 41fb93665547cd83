// Medians and how numbers are printed.

/** The median; null where any value is missing. */
export function median(values) {
  if (values.length === 0 || values.some((value) => value == null)) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians of every numeric key that the objects share. */
export function medians(objects) {
  const keys = Object.keys(objects[0] ?? {}).filter((key) => {
    return objects.some((object) => typeof object[key] === 'number');
  });
  return Object.fromEntries(keys.map((key) => [key, median(objects.map((object) => object[key]))]));
}

/** Median, least and most of every numeric key, to five digits; null where a value is missing. */
export function spreads(objects) {
  return Object.fromEntries(
    Object.entries(medians(objects)).map(([key, middle]) => {
      const values = objects.map((object) => object[key]);
      if (middle === null) return [key, null];
      const short = (value) => Number(value.toPrecision(5));
      return [key, [middle, Math.min(...values), Math.max(...values)].map(short)];
    }),
  );
}

export function fixed(value, digits = 2) {
  return value == null ? '–' : value.toFixed(digits);
}

export function whole(value) {
  return value == null ? '–' : Math.round(value).toLocaleString('en-US');
}

export function times(value) {
  return value == null || !Number.isFinite(value) ? '–' : `${value.toFixed(3)} ×`;
}

/** Rows of strings as a Markdown table, which reads well on a terminal too. */
export function table(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i].length)));
  const line = (cells) => {
    const padded = cells.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i])));
    return `| ${padded.join(' | ')} |`;
  };
  const rule = widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
