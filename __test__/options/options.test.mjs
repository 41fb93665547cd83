// Every option is checked, and the error says which, what it got and what it takes.

import { inspect } from 'node:util';
import test from 'ava';
import { ERROR_CODES, Response as OurResponse, ReactorError, serve } from 'reactor-rs';

const DAY = 86_400_000;

/** Option, lowest and highest value; `auto` is taken where `also` says so. */
const INTEGERS = [
  ['port', 0, 65_535],
  ['ioThreads', 1, 16, ', or "auto"'],
  ['workerThreads', 1, 32, ', or "auto"'],
  ['backlog', 1, 65_535],
  ['queue', 1, 1_000_000],
  ['maxConnections', 1, 10_000_000],
  ['bodyMemory', 0, 2 ** 40],
  ['maxInFlight', 1, 1_000_000],
  ['requestTimeout', 0, DAY],
  ['limits.requestLine', 64, 1_048_576],
  ['limits.head', 128, 1_048_576],
  ['limits.fields', 1, 10_000],
  ['limits.body', 0, 4_294_967_296],
  ['limits.chunkExtensions', 0, 1_048_576],
  ['limits.streams', 1, 10_000],
  ['timeouts.head', 1, DAY],
  ['timeouts.body', 1, DAY],
  ['timeouts.keepAlive', 1, DAY],
  ['timeouts.write', 1, DAY],
  ['timeouts.drain', 0, DAY],
];

const OTHERS = [
  ['hostname', 'a host name or IP address', ['', 'a b', 'http://a', '[::1]', 5, null]],
  ['unix', 'the path of a unix socket', ['', 'a\u0000b', 5, null]],
  ['ipv6Only', 'true or false', ['true', 1, null, {}]],
  ['accept', '"auto", "acceptor" or "per-loop"', ['', 'perLoop', true, null]],
  [
    'trustProxy',
    'true, false, a number of proxies from 0 to 32, or IP addresses, CIDR ranges and the names "loopback", "private" and "unix"',
    [
      ...[
        null,
        -1,
        33,
        1.5,
        Number.NaN,
        '',
        'true',
        'localhost',
        'Loopback',
        {},
        [],
        [1],
        [['::1']],
      ],
      ...[
        '1.2.3',
        '01.2.3.4',
        '1.2.3.4/33',
        '1.2.3.4/',
        '1.2.3.4/-1',
        '::1/129',
        '[::1]',
        '::1%lo',
      ],
      ...[
        '::ffff:1.2.3.4/95',
        '10.0.0.0/8,',
        'loopback;private',
        ['loopback', 'x'],
        ['1.2.3.4/8 9'],
      ],
    ],
  ],
  ['signal', 'an AbortSignal', [null, true, {}, { aborted: true }, new AbortController()]],
];

for (const [name, min, max, also = ''] of INTEGERS) {
  test(`${name} takes an integer from ${min} to ${max}${also}`, async (t) => {
    const allowed = `an integer from ${min} to ${max}${also}`;
    for (const value of [
      min - 1,
      max + 1,
      min + 0.5,
      Number.NaN,
      Infinity,
      name === 'port' ? '0x1f' : `${min}`,
      null,
      true,
      {},
      [],
    ]) {
      await t.throwsAsync(serve({ port: 0, ...at(name, value) }), {
        instanceOf: ReactorError,
        code: 'ERR_REACTOR_INVALID_OPTION',
        message: `option "${name}" must be ${allowed}, got ${shown(value)}`,
      });
    }
  });
}

for (const [name, allowed, values] of OTHERS) {
  test(`${name} must be ${allowed}`, async (t) => {
    for (const value of values) {
      await t.throwsAsync(serve({ ...at(name, value) }), {
        code: 'ERR_REACTOR_INVALID_OPTION',
        message: `option "${name}" must be ${allowed}, got ${shown(value)}`,
      });
    }
  });
}

test('the ends of every range are taken', async (t) => {
  const lowest = {};
  for (const [name, min] of INTEGERS) {
    merge(lowest, at(name, min));
  }
  const server = await serve({ ...lowest, hostname: '127.0.0.1', port: 0 });
  await server.stop({ force: true });

  const highest = {};
  for (const [name, , max] of INTEGERS) {
    merge(highest, at(name, max));
  }
  const other = await serve({ ...highest, hostname: '127.0.0.1', port: 0 });
  await other.stop({ force: true });
  t.pass();
});

test('"auto" and undefined are taken', async (t) => {
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 'auto',
    workerThreads: 'auto',
    unix: undefined,
    accept: undefined,
    maxConnections: undefined,
    limits: { head: undefined },
    timeouts: undefined,
    routes: undefined,
  });
  await server.stop();
  t.pass();
});

test('an unknown option is an error that names the nearest known one', async (t) => {
  const cases = [
    [{ prot: 1 }, 'unknown option "prot"; did you mean "port"?'],
    [{ workers: 1 }, /^unknown option "workers": .*"jsThreads".*"workerThreads"/],
    // Near in letters is not near in meaning.
    [{ hots: 1 }, /did you mean "host/],
    [{ keepAlive: 1 }, /"timeouts\.keepAlive"/],
    [{ maxBodyMemory: 1 }, 'unknown option "maxBodyMemory"; did you mean "bodyMemory"?'],
    [{ limits: { body_size: 1 } }, /^unknown option "limits\.body_size"/],
    [{ chunkExtensions: 1 }, /did you mean "limits\.chunkExtensions"\?/],
    [{ timeouts: { keepAliveTimeout: 1 } }, /"timeouts\.keepAlive"/],
    [{ ssl: {} }, /^unknown option "ssl": give certificate and key as "tls"/],
    [{ iothreads: 1 }, 'unknown option "iothreads"; did you mean "ioThreads"?'],
    [{ limits: { heads: 1 } }, 'unknown option "limits.heads"; did you mean "limits.head"?'],
    [
      { timeouts: { keepalive: 1 } },
      'unknown option "timeouts.keepalive"; did you mean "timeouts.keepAlive"?',
    ],
    [{ xyzzyplugh: 1 }, /^unknown option "xyzzyplugh"; the options are fetch, error, routes, /],
  ];
  for (const [options, message] of cases) {
    await t.throwsAsync(serve(options), { code: 'ERR_REACTOR_UNKNOWN_OPTION', message });
  }
});

test('objects must be objects', async (t) => {
  const cases = [
    [null, 'options must be an object, got null'],
    [8080, 'options must be an object, got 8080; for a port write { port: 8080 }'],
    [{ limits: 5 }, 'option "limits" must be an object, got 5'],
    [{ timeouts: [] }, 'option "timeouts" must be an object, got []'],
    [{ routes: 'x' }, 'option "routes" must be a plain object of paths and responses, got "x"'],
    [{ routes: new Map() }, /^option "routes" must be a plain object .*, got Map\(0\) \{\}$/],
  ];
  for (const [options, message] of cases) {
    await t.throwsAsync(serve(options), { code: 'ERR_REACTOR_INVALID_OPTION', message });
  }
});

test('a unix socket excludes port and hostname', async (t) => {
  for (const name of ['port', 'hostname']) {
    const value = name === 'port' ? 0 : '::';
    await t.throwsAsync(serve({ unix: '/tmp/x.sock', [name]: value }), {
      code: 'ERR_REACTOR_INVALID_OPTION',
      message: new RegExp(`^option "${name}" cannot be given together with "unix"`),
    });
  }
});

test('a long value is shortened in the message', async (t) => {
  const error = await t.throwsAsync(serve({ accept: 'x'.repeat(10_000) }));
  t.true(error.message.length < 200);
});

test('stop and reload check what they are given', async (t) => {
  const server = await serve({ port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1 });
  t.teardown(() => server.stop({ force: true }));
  await t.throwsAsync(server.stop({ force: 'yes' }), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: 'option "force" must be true or false, got "yes"',
  });
  await t.throwsAsync(server.stop({ forced: true }), { code: 'ERR_REACTOR_UNKNOWN_OPTION' });
  t.throws(() => server.reload({ route: {} }), {
    code: 'ERR_REACTOR_UNKNOWN_OPTION',
    message: 'unknown option "route"; did you mean "routes"?',
  });
});

async function readResponse(response) {
  await response.text();
  return response;
}

const BAD_ROUTES = {
  'a pattern without a slash': [{ users: 'x' }, /users/],
  'a pattern with an empty parameter': [{ '/users/:': 'x' }, /\/users\/:/],
  'a wildcard in the middle': [{ '/a/*/b': 'x' }, /\/a\/\*\/b/],
  'two patterns that differ only in a name': [
    { '/u/:id': 'x', '/u/:name': 'y' },
    /\/u\/:(id|name)/,
  ],
  'a number': [
    { '/': 5 },
    'route "/" must be a string, bytes, a Blob, a Response, a function, { status, headers, body }, { dir }, { file }, false or any of these by method, got 5',
  ],
  'a promise': [
    { '/a': Promise.resolve('x') },
    /^route "\/a" has a promise: await it, or give a function that returns it, got Promise/,
  ],
  'a Map': [{ '/a': new Map([['GET', 'x']]) }, /^route "\/a" must be .*, got Map\(1\)/],
  'a Date': [{ '/a': new Date(0) }, /^route "\/a" must be .*, got 1970-01-01/],
  'a Response that has been read': [
    { '/a': await readResponse(new Response('x')) },
    /^route "\/a" has a Response whose body has been read before/,
  ],
  'a Response of ours that has been read': [
    { '/a': { GET: await readResponse(new OurResponse('x')) } },
    /^route "\/a" GET has a Response whose body has been read before/,
  ],
  'Response.error()': [{ '/a': OurResponse.error() }, /cannot answer with Response\.error\(\)/],
  'a Response whose body fails': [
    { '/a': new Response(new ReadableStream({ start: (c) => c.error(new Error('broken')) })) },
    /^route "\/a" has a Response whose body cannot be read: .*broken/,
  ],
  'one path in two spellings': [{ '*': 'x', '/*': 'y' }, /is the route "\/\*", which is there too/],
  'an instance of a class': [{ '/a': new (class Mine {})() }, /^route "\/a" must be .*, got Mine/],
  'a promise by method': [
    { '/a': { GET: Promise.resolve('x') } },
    /^route "\/a" GET has a promise: await it/,
  ],
  'headers that are Headers': [
    { '/a': { headers: new Headers({ a: 'b' }) } },
    /^route "\/a" must have headers that are a plain object of names and values, got Headers/,
  ],
  'a status out of range': [
    { '/': { status: 99 } },
    'route "/" must have a status that is an integer from 200 to 599, got 99',
  ],
  'an interim status': [
    { '/': { status: 101 } },
    /status that is an integer from 200 to 599, got 101/,
  ],
  'a body that is an object': [
    { '/': { body: {} } },
    'route "/" must have a body that is a string or bytes, got {}',
  ],
  'a body with 204': [
    { '/': { status: 204, body: 'x' } },
    'route "/" cannot have a body with status 204, got "x"',
  ],
  'a body with 304': [{ '/': { status: 304, body: 'x' } }, /cannot have a body with status 304/],
  'a key that is none': [{ '/': { status: 200, header: {} } }, /route "\/" /],
  'a method in lower case': [
    { '/': { get: 'x' } },
    'route "/" must name methods in upper case, such as GET, got "get"',
  ],
  'methods mixed with a response': [
    { '/': { GET: 'x', body: 'y' } },
    /mixes methods with the keys of a response/,
  ],
  'a header name with a space': [
    { '/': { headers: { 'a b': 'x' } } },
    'route "/" has a header name that is not a token, got "a b"',
  ],
  'a header value with a line end': [
    { '/': { headers: { a: 'x\r\nb: y' } } },
    'route "/" has a bad value for header a, got "x\\r\\nb: y"',
  ],
  'a header value outside Latin-1': [{ '/': { headers: { a: '✓' } } }, /bad value for header a/],
  'a header value that is a number': [
    { '/': { headers: { a: 5 } } },
    /bad value for header a, got 5/,
  ],
  'a content-length': [
    { '/': { headers: { 'Content-Length': '5' } } },
    /sets a header that only the server may set, got "Content-Length"/,
  ],
  'headers that are an array': [
    { '/': { headers: [] } },
    /must have headers that are a plain object/,
  ],
  'a bad response of one method': [
    { '/': { POST: { status: 0 } } },
    /^route "\/" POST must have a status/,
  ],
};

for (const [what, [routes, message]] of Object.entries(BAD_ROUTES)) {
  test(`a route with ${what} is refused`, async (t) => {
    await t.throwsAsync(serve({ port: 0, hostname: '127.0.0.1', routes }), {
      instanceOf: ReactorError,
      code: 'ERR_REACTOR_INVALID_ROUTE',
      message,
    });
  });
}

test('every code is described', (t) => {
  for (const [code, text] of Object.entries(ERROR_CODES)) {
    t.regex(code, /^ERR_REACTOR_[A-Z_]+$/);
    t.regex(text, /^[A-Z].*\.$/);
  }
});

/** Options with one value under a name that may have a dot. */
function at(name, value) {
  const [outer, inner] = name.split('.');
  return { [outer]: inner === undefined ? value : { [inner]: value } };
}

function merge(options, more) {
  for (const [name, value] of Object.entries(more)) {
    options[name] = typeof value === 'object' ? { ...options[name], ...value } : value;
  }
}

/** A value as the messages show it. */
function shown(value) {
  return typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 0 });
}
