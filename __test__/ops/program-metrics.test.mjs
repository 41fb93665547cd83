// A program's own metrics on the page of the server's.

import test from 'ava';
import { serve } from 'reactor-rs';
import { run, serve as serveCommand, until } from '../support/command.mjs';
import { moduleOf } from '../support/folder.mjs';

async function start(t, registry, options = { fetch: () => new Response('') }) {
  const metrics = { listen: 0, registry };
  const server = await serve({ hostname: '127.0.0.1', port: 0, metrics, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

/** What is behind the server's metrics, after whether it has come. */
async function own({ metricsUrl }) {
  const response = await fetch(metricsUrl);
  const page = await response.text();
  const [before, after] = page.split('\nreactor_program_metrics_up ');
  return /^reactor_uptime_seconds /m.test(before) ? after : page;
}

/** Asks as prom-client's does: its method needs its object. */
class Registry {
  #asks = 0;

  async metrics() {
    this.#asks += 1;
    return `# HELP asks Asks.\n# TYPE asks counter\nasks{a="\\"}\\n"} ${this.#asks}\n`;
  }
}

test('a registry is asked for each page', async (t) => {
  const server = await start(t, new Registry());
  const page = (count) => `1\n# HELP asks Asks.\n# TYPE asks counter\nasks{a="\\"}\\n"} ${count}\n`;
  t.is(await own(server), page(1));
  t.is(await own(server), page(2));
});

test('a function is possible, and what OpenMetrics adds is left out', async (t) => {
  const server = await start(
    t,
    () => '# TYPE a unknown\r\na 1\nb_bucket{le="+Inf"} 2 # {trace_id="7"} 0.5 17.5\n\n# EOF\n',
  );
  t.is(await own(server), '1\n# TYPE a untyped\na 1\nb_bucket{le="+Inf"} 2\n');
});

test('families that the server has are left out, and named once', async (t) => {
  const server = await start(t, () =>
    [
      '# HELP process_open_fds Files.',
      '# TYPE process_open_fds gauge',
      'process_open_fds 3',
      'mine 1',
      'reactor_http_route_duration_seconds_bucket{le="+Inf"} 1',
      'nodejs_heap_size_used_bytes 1',
      'process_open_fds_soft 1',
    ].join('\n'),
  );
  t.is(
    await own(server),
    "1\nmine 1\nprocess_open_fds_soft 1\n# Left out of the program's own metrics, because the server has them: process_open_fds, reactor_http_route_duration_seconds, nodejs_heap_size_used_bytes\n",
  );
});

test.serial('what fails is a comment, and one warning', async (t) => {
  const warnings = [];
  const listen = ({ message }) => void warnings.push(message);
  process.on('warning', listen);
  t.teardown(() => process.off('warning', listen));
  let fail = () => Promise.reject(new Error('no\n# TYPE database'));
  const server = await start(t, () => fail());
  const missing = "# The program's own metrics are missing: metrics.registry";
  t.is(await own(server), `0\n${missing} failed: no # TYPE database\n`);
  for (const [wrong, why] of [
    [() => undefined, 'answered undefined in place of text'],
    [() => Buffer.from('a 1\n'), /answered <Buffer 61[^\n]* in place of text/],
    [() => 'a'.repeat(1_048_577), 'answered 1048577 bytes, and 1048576 are allowed'],
    [() => 'a 1\nb\0 1', /not in the format of Prometheus: line 2 is "b\\u0000 1"$/m],
    [() => '<!doctype html>', /not in the format of Prometheus: line 1 is /],
    [() => 'a 1\na{b="1" c="2"} 1', /: line 2 is /],
    [() => '# TYPE a info\na 1', /: line 1 is /],
    [() => `a ${'1'.repeat(500_000)}x`, /: line 1 is [^\n]{80,90}\n$/],
  ]) {
    fail = wrong;
    const page = await own(server);
    t.true(page.startsWith(`0\n${missing} answered `), page);
    t.is(page.split('\n').length, 3);
    typeof why === 'string' ? t.true(page.includes(why), page) : t.regex(page, why);
  }
  fail = () => 'well 1';
  t.is(await own(server), '1\nwell 1\n');
  t.deepEqual(
    warnings.filter((message) => message.includes('metrics')),
    [
      "reactor-rs: /metrics is without the program's own: metrics.registry failed: no # TYPE database",
    ],
  );
});

test('a program that does not answer is left out until it has', async (t) => {
  let answer;
  let asks = 0;
  const server = await start(t, () => {
    asks += 1;
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  const late = "0\n# The program's own metrics are missing: it has not answered within 1 s.\n";
  for (let page = 0; page < 3; page++) {
    t.is(await own(server), late);
  }
  t.is(asks, 1);
  answer('late 1');
  await until(async () => {
    // A page that is asked for before the late answer has arrived is without the program's, too.
    let page;
    const done = own(server).then((text) => {
      page = text;
    });
    await until(() => asks > 1 || page !== undefined);
    answer('fresh 1');
    await done;
    return page === '1\nfresh 1\n';
  });
});

test('health checks do not wait behind the program', async (t) => {
  let server;
  const ask = async () =>
    `ready ${Number((await fetch(new URL('/readyz', server.metricsUrl))).ok)}`;
  server = await start(t, ask);
  await until(async () => (await own(server)) === '1\nready 1\n');
  t.pass();
});

test('a registry that is given to serve is asked on its thread, beside JavaScript threads', async (t) => {
  const module = moduleOf(
    t,
    `export default { metrics: 'localhost:1', fetch: () => new Response('') };`,
  );
  const server = await start(t, new Registry(), { module, jsThreads: 2 });
  t.regex(await own(server), /^1\n# HELP .*\n.*\nasks.* 1\n$/);
});

test('a module on JavaScript threads cannot export one', async (t) => {
  const module = moduleOf(
    t,
    `export default { metrics: { registry: () => 'a 1' }, fetch: () => new Response('') };`,
  );
  const error = await t.throwsAsync(serve({ port: 0, module, jsThreads: 2 }));
  t.is(error.code, 'ERR_REACTOR_INVALID_OPTION');
  t.regex(error.message, /^option "metrics\.registry" cannot be exported by .* give "serve" one/);
});

test("a module's registry stays beside --metrics, also while the program is stuck", async (t) => {
  const module = moduleOf(
    t,
    `const forever = new Int32Array(new SharedArrayBuffer(4));
    export default {
      metrics: { listen: 'localhost:1', registry: () => 'mine 1' },
      fetch: () => Atomics.wait(forever, 0, 0) && new Response(''),
    };`,
  );
  const server = await serveCommand(t, [
    '--port',
    '0',
    '--host',
    '127.0.0.1',
    '--metrics',
    '0',
    module,
  ]);
  t.is(await own(server), '1\nmine 1\n');
  fetch(server.url).catch(() => {});
  await until(async () => (await own(server)).startsWith('0\n# The program'));
  t.is((await fetch(new URL('/readyz', server.metricsUrl))).status, 200);
});

test('wrong values are named', async (t) => {
  const at = 'a port from 0 to 65535, "host:port", the path of a unix socket or "fd:3"';
  const registry = 'a Registry, such as "register" of prom-client, or a function that returns text';
  for (const [metrics, message] of [
    [{}, `option "metrics.listen" must be ${at}, got undefined`],
    [{ listen: -1 }, `option "metrics.listen" must be ${at}, got -1`],
    [{ listen: 0, registry: null }, `option "metrics.registry" must be ${registry}, got null`],
    [{ listen: 0, registry: {} }, `option "metrics.registry" must be ${registry}, got {}`],
    [{ port: 0 }, /^unknown option "metrics\.port"/],
    [true, /^option "metrics" must be .* or an object, got true$/],
  ]) {
    await t.throwsAsync(serve({ port: 0, metrics }), { message });
  }
  const module = moduleOf(t, `export default { metrics: { registry: 5 }, fetch: () => {} };`);
  const { stderr } = await run(['serve', '--port', '0', '--metrics', '0', module]);
  t.regex(stderr, /^reactor-rs: option "metrics\.registry" must be /);
});
