// The JSON that compression is measured with.

/** A list of people, of 12 KiB. */
export function json() {
  const people = Array.from({ length: 200 }, (_, id) => ({
    id,
    name: `user ${id}`,
    email: `user${id}@example.com`,
    active: id % 3 === 0,
    score: Math.round(Math.sin(id) * 1e6) / 1e3,
    tags: ['a', 'b', `t${id % 17}`],
  }));
  return JSON.stringify(people).slice(0, 12 * 1024);
}
