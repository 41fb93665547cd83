/** The colours of the style sheet, for canvases. They change with the reader's scheme. */
let style = getComputedStyle(document.documentElement);
const known = new Map<string, string>();

/** The value of a custom property, such as `--grid`. */
export function colour(name: string): string {
  let value = known.get(name);
  if (value === undefined) {
    value = style.getPropertyValue(name).trim();
    known.set(name, value);
  }
  return value;
}

/** Calls back when the colours have changed. */
export function onTheme(changed: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    style = getComputedStyle(document.documentElement);
    known.clear();
    changed();
  });
}

export type Rgb = readonly [number, number, number];

/** The colours of the heat map from few to many, `steps` of them. */
export function ramp(steps: number): Rgb[] {
  const stops = colour('--heat')
    .split(/\s+/)
    .map((hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
  return Array.from({ length: steps }, (_, index) => {
    const place = (index / (steps - 1)) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    const [a, b] = [stops[below] as number[], stops[below + 1] as number[]];
    const mixed = a.map((part, at) =>
      Math.round(part + ((b[at] as number) - part) * (place - below)),
    );
    return mixed as unknown as Rgb;
  });
}
