// What the contenders answer, and small parts that all APIs share, so that they do the same work.

const KIB = 1024;

/** Sizes of large answers by the name that a question has. */
const sizes = { '64k': 64 * KIB, '1m': 1024 * KIB };

export const strings = Object.fromEntries(
  Object.entries(sizes).map(([name, size]) => [name, 'x'.repeat(size)]),
);

export const bytes = Object.fromEntries(
  Object.entries(strings).map(([name, text]) => [name, new TextEncoder().encode(text)]),
);

/** A large answer in pieces of 16 KiB, as a file is read: the same memory each time. */
export const pieces = Object.fromEntries(
  Object.entries(bytes).map(([name, whole]) => {
    const count = whole.length / (16 * KIB);
    const piece = (_, nth) => whole.subarray(nth * 16 * KIB, (nth + 1) * 16 * KIB);
    return [name, Array.from({ length: count }, piece)];
  }),
);

/** Ten small chunks, as of a page that is made bit by bit. */
export const chunks = Array.from({ length: 10 }, (_, nth) =>
  new TextEncoder().encode(`chunk number ${nth} of a page that is made bit by bit\n`),
);

/** A list of 60 entries, about 12 KiB as JSON. */
export const list = {
  page: 1,
  entries: Array.from({ length: 60 }, (_, id) => ({
    id,
    name: `entry number ${id}`,
    url: `https://example.com/entries/${id}`,
    price: id * 1.25 + 0.99,
    isOpen: id % 3 === 0,
    tags: ['one', 'two', 'three'],
    text: 'Words that say what it is, as many as a list usually shows.',
  })),
};

/** The five fields of the question that a handler reads. */
export const readFields = ['accept', 'user-agent', 'x-trace', 'x-field-1', 'x-field-9'];

/** Fields of an answer that has twenty, with its type, length and date. */
export const fields = Object.fromEntries(
  Array.from({ length: 17 }, (_, nth) => [`x-answer-${nth}`, `the value of answer field ${nth}`]),
);

/** The value of a cookie, without decoding. */
export function cookie(header, name) {
  for (const pair of header.split('; ')) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, equals) === name) return pair.slice(equals + 1);
  }
  return '';
}

export const setCookies = [
  'session=fedcba9876543210; Path=/; HttpOnly; SameSite=Lax',
  'theme=dark; Path=/; Max-Age=31536000',
];

/** Between two server-sent events, of which each client gets each. */
export const EVENT_MS = 20;

export const event = 'data: {"symbol":"ABC","price":123.45,"time":1700000000}\n\n';

/** A client of the database of `late-database`, or null where the scenario has none. */
export async function database(port) {
  if (!port) return null;
  const { createClient } = await import('../peers/node_modules/redis/dist/index.js');
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  return client;
}
