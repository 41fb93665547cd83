// What is measured: one entry each. Add a line to add a scenario.
//
//   group     the chart and the table that it stands in
//   title     what it is, in words
//   asks      the question (lib/questions.mjs), which is checked before anything is timed
//   load      connections, and for wrk the depth of the pipeline
//   client    another client than wrk: `short` ends a connection after so many `requests`; `events`
//             counts server-sent events; `openloop` sends at a steady rate, a `share` of the peak
//             that it is `of`, the server's own or the best peer's; `tls` is our own client over TLS,
//             with sessions resumed or not, and connections for one request each or for many;
//             `websocket` is our own client, whose requests are messages; `once` asks each file of a
//             set once; `h2load` is that of nghttp2, with so many `streams` open on each connection
//   longer    how many times the usual time a run takes
//   quick     whether --quick has it
//   only      the kinds of contenders that it is about; by default all that can answer
//   needs     a program of the system that it needs

export const groups = {
  hello: 'A greeting',
  connections: 'Short connections',
  upload: 'Uploads',
  answer: 'Large answers',
  stream: 'Answers as streams of ten chunks',
  late: 'Late answers',
  fields: 'JSON, header fields, cookies',
  framework: 'Express and Fastify',
  events: 'Server-sent events to 1,000 clients',
  openloop: 'Latency at a steady rate, 64 connections',
  tls: 'TLS',
  websocket: 'WebSocket',
  files: 'Files, 64 connections',
  http2: 'HTTP/2',
};

const KINDS_OF_FRAMEWORKS = ['node', 'face'];

const KINDS_OF_RUNTIMES = ['reactor', 'node', 'uws', 'bun', 'deno'];

const hello = (connections, title, more) => ({
  group: 'hello',
  title,
  asks: 'hello',
  load: { connections },
  ...more,
});

/** As many connections as fill the server without making the client wait on memory. */
const uploads = Object.entries({
  '1k': ['1 KiB', 64],
  '64k': ['64 KiB', 32],
  '1m': ['1 MiB', 8],
  '20m': ['20 MiB', 4],
}).flatMap(([size, [words, connections]]) =>
  ['counted', 'collected'].map((how) => [
    `upload-${size}-${how}`,
    {
      group: 'upload',
      title: `${words}, ${how === 'counted' ? 'chunk by chunk' : 'collected'}`,
      asks: `upload-${size}-${how}`,
      load: { connections },
      longer: size === '20m' ? 2 : 1,
      quick: how === 'collected' && size !== '1k' && size !== '20m',
    },
  ]),
);

const largeAnswers = Object.entries({ '64k': ['64 KiB', 64], '1m': ['1 MiB', 16] }).flatMap(
  ([size, [words, connections]]) =>
    Object.entries({ string: 'a string', bytes: 'bytes', stream: 'a stream' }).map(([kind, as]) => [
      `${kind}-${size}`,
      {
        group: 'answer',
        title: `${words} as ${as}`,
        asks: `${kind}-${size}`,
        load: { connections },
        quick: size === '64k' && kind === 'string',
      },
    ]),
);

/** Our own client over TLS 1.3, with ECDSA on P-256. */
const tls = (titles) =>
  Object.entries(titles).map(([name, [title, asks, load, more]]) => [
    `tls-${name}`,
    { group: 'tls', title, asks, client: 'tls', load, ...more },
  ]);

/** Our own client over WebSockets: each message comes back, or goes to all subscribers. */
const webSockets = (titles) =>
  Object.entries(titles).map(([name, [title, asks, load, more]]) => [
    `websocket-${name}`,
    {
      group: 'websocket',
      title,
      asks,
      client: 'websocket',
      only: [...KINDS_OF_RUNTIMES, 'face'],
      load,
      ...more,
    },
  ]);

/** h2load on connections that carry many requests at once. */
const http2 = (titles) =>
  Object.entries(titles).map(([name, [title, asks, load, more]]) => [
    `http2-${name}`,
    { group: 'http2', title, asks, client: 'h2load', load, ...more },
  ]);

/** Whoever serves folders. */
const KINDS_OF_FILES = ['folder', 'nginx', 'h2o', 'sirv', 'serve-static', 'bun', 'deno'];

const files = (titles) =>
  Object.entries(titles).map(([name, [title, more]]) => [
    `files-${name}`,
    {
      group: 'files',
      title,
      asks: `files-${name}`,
      load: { connections: 64 },
      only: KINDS_OF_FILES,
      ...more,
    },
  ]);

const plain = (group, titles, more = {}) =>
  Object.entries(titles).map(([name, title]) => [
    name,
    { group, title, asks: name, load: { connections: 64 }, ...more[name] },
  ]);

export const scenarios = {
  'hello-c1': hello(1, '1 connection', { quick: true }),
  'hello-c64': hello(64, '64 connections', { quick: true }),
  'hello-c512': hello(512, '512 connections'),
  // Connecting them takes a while.
  'hello-c4096': hello(4096, '4,096 connections', { longer: 3 }),
  'hello-pipelined': hello(64, '64 connections, 16 pipelined', {
    load: { connections: 64, depth: 16 },
    quick: true,
  }),
  'conn-new': {
    group: 'connections',
    title: 'a connection per request',
    asks: 'hello',
    client: 'short',
    load: { connections: 64, requests: 1 },
    quick: true,
  },
  'conn-10': {
    group: 'connections',
    title: '10 requests per connection',
    asks: 'hello',
    client: 'short',
    load: { connections: 64, requests: 10 },
  },
  ...Object.fromEntries([
    ...uploads,
    ...largeAnswers,
    ...plain(
      'stream',
      {
        'stream-start': 'a ReadableStream, filled at its start',
        'stream-pull': 'a ReadableStream, pulled',
        'stream-generator': 'an async generator',
        'stream-readable': 'a Node Readable',
      },
      { 'stream-generator': { quick: true } },
    ),
    ...plain(
      'late',
      {
        'late-microtask': 'after a microtask',
        'late-immediate': 'after setImmediate',
        'late-timer': 'after a timer of 1 ms',
        'late-database': 'after a question to Redis',
      },
      { 'late-immediate': { quick: true }, 'late-database': { needs: 'redis-server' } },
    ),
    ...plain(
      'fields',
      {
        api: 'JSON in and out',
        'json-12k': '12 KiB of JSON',
        headers: '20 header fields each way',
        cookies: 'cookies',
      },
      { api: { quick: true }, headers: { quick: true } },
    ),
    ...plain(
      'framework',
      { listener: 'a bare listener', express: 'Express 5', fastify: 'Fastify 5' },
      {
        listener: { only: KINDS_OF_FRAMEWORKS },
        express: { only: KINDS_OF_FRAMEWORKS, quick: true },
        fastify: { only: KINDS_OF_FRAMEWORKS },
      },
    ),
  ]),
  ...Object.fromEntries(
    tls({
      full: [
        'a full handshake per request',
        'hello',
        { connections: 64, keepAlive: false, resume: false },
        { quick: true },
      ],
      resumed: [
        'a resumed handshake per request',
        'hello',
        { connections: 64, keepAlive: false },
        { quick: true },
      ],
      c1: ['1 connection', 'hello', { connections: 1 }],
      c64: ['64 connections', 'hello', { connections: 64 }, { quick: true }],
      '1m': ['1 MiB', 'large-1m', { connections: 16 }, { longer: 2 }],
    }),
  ),
  ...Object.fromEntries(
    webSockets({
      '20-c64': [
        '20 bytes, 64 connections',
        'websocket',
        { connections: 64, size: 20 },
        { quick: true },
      ],
      '1k-c64': ['1 KiB, 64 connections', 'websocket', { connections: 64, size: 1024 }],
      '64k-c64': ['64 KiB, 64 connections', 'websocket', { connections: 64, size: 65_536 }],
      '20-c1000': ['20 bytes, 1,000 connections', 'websocket', { connections: 1000, size: 20 }],
      '1k-c1000': ['1 KiB, 1,000 connections', 'websocket', { connections: 1000, size: 1024 }],
      '64k-c1000': ['64 KiB, 1,000 connections', 'websocket', { connections: 1000, size: 65_536 }],
      deflate: [
        '1 KiB of JSON, compressed, 64 connections',
        'websocket-deflate',
        { connections: 64, body: 'bench/contenders/api.json', compress: true },
      ],
      tls: [
        '20 bytes over TLS, 64 connections',
        'websocket',
        { connections: 64, size: 20, isSecure: true },
      ],
      'tls-1k': [
        '1 KiB over TLS, 64 connections',
        'websocket',
        { connections: 64, size: 1024, isSecure: true },
      ],
      broadcast: [
        '100 bytes to 1,000 subscribers, 50 a second',
        'websocket-broadcast',
        { subscribers: 1000, size: 100, rate: 50 },
        { longer: 2, quick: true },
      ],
    }),
  ),
  ...Object.fromEntries(
    files({
      '1k': ['1 KiB', { quick: true }],
      '16k': ['16 KiB', {}],
      '64k': ['64 KiB', { quick: true }],
      '1m': ['1 MiB', { longer: 2 }],
      mix: ['20 assets of a page', { quick: true }],
      cold: ['10,000 of 8 KiB, each once', { asks: 'files-once', client: 'once' }],
      disk: [
        'the same, not in memory',
        { asks: 'files-once', client: 'once', load: { connections: 64, isOnDisk: true } },
      ],
    }),
  ),
  ...Object.fromEntries(
    http2({
      hello: [
        '16 connections, 32 streams each',
        'hello',
        { connections: 16, streams: 32 },
        { quick: true },
      ],
      tls: [
        'the same over TLS',
        'hello',
        { connections: 16, streams: 32, isSecure: true },
        { quick: true },
      ],
      c1: ['1 connection, 100 streams', 'hello', { connections: 1, streams: 100 }],
      m1: ['64 connections, 1 stream each', 'hello', { connections: 64, streams: 1 }],
      api: [
        'JSON in and out, 16 connections, 32 streams each',
        'api',
        { connections: 16, streams: 32 },
      ],
      '64k': [
        'answers of 64 KiB, 16 connections, 8 streams each',
        'string-64k',
        { connections: 16, streams: 8 },
      ],
      'upload-64k': [
        'uploads of 64 KiB, 16 connections, 8 streams each',
        'upload-64k-collected',
        { connections: 16, streams: 8 },
      ],
    }),
  ),
  events: {
    group: 'events',
    title: '1,000 clients, 50 events a second to each',
    asks: 'events',
    client: 'events',
    load: { connections: 1000 },
    longer: 2,
  },
  ...Object.fromEntries(
    Object.entries({ own: 'its own peak', peer: "the best peer's peak" }).flatMap(([of, words]) =>
      [30, 50, 70, 90].map((percent) => [
        `steady-${of}-${percent}`,
        {
          group: 'openloop',
          title: `${percent} % of ${words}`,
          asks: 'hello',
          client: 'openloop',
          load: { connections: 64 },
          only: KINDS_OF_RUNTIMES,
          of,
          share: percent / 100,
        },
      ]),
    ),
  ),
};
