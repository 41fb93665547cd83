// One program on node:http2 and on the `http2` of reactor-rs/node: what a client sees, and what the
// program itself sees, must be the same.

import { once } from 'node:events';
import nodes from 'node:http2';
import { http2 } from 'reactor-rs/node';
import { closed as end, few, listening, until } from '../node/both.mjs';

/** Both servers of a program. */
export async function both(t, program, { options = {}, secure = false } = {}) {
  const make = (create) => (secure ? create.createSecureServer : create.createServer);
  const start = async (create, name) => {
    const log = [];
    const server = create(options, (req, res) => program(req, res, log, name));
    await listening(server);
    t.teardown(() => close(server));
    return { server, log, name };
  };
  return Promise.all([start(make(nodes), 'node'), start(few(make(http2)), 'reactor')]);
}

/** Stops a server of either kind. */
export async function close(server) {
  if (server.closeAllConnections !== undefined) {
    await end(server);
  } else if (server.listening) {
    server.close();
  }
}

/** A client's session with a server, which ends with the test. */
export async function session(t, server, options = {}) {
  const scheme = options.ca === undefined ? 'http' : 'https';
  const client = nodes.connect(`${scheme}://127.0.0.1:${server.address().port}`, options);
  client.on('error', () => {});
  t.teardown(() => client.destroy());
  await once(client, 'connect');
  return client;
}

/** Sends a request; resolves with all that the client saw when its stream is over. */
export async function ask(client, fields, body, { leaveAt, leaveWhen, trailers } = {}) {
  const seen = { interim: [], body: '' };
  const stream = client.request(
    { ':authority': 'test.local', ...fields },
    {
      endStream: body === undefined,
      waitForTrailers: trailers !== undefined,
    },
  );
  stream.on('headers', (fields) => seen.interim.push(shown(fields)));
  stream.on('response', (fields) => {
    seen.fields = shown(fields);
    if (leaveAt === 'response') {
      stream.close(nodes.constants.NGHTTP2_CANCEL);
    }
  });
  stream.on('trailers', (fields) => {
    seen.trailers = shown(fields);
  });
  stream.on('aborted', () => {
    seen.aborted = true;
  });
  stream.on('error', (error) => {
    seen.error = error.code;
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  const closed = new Promise((resolve) => stream.on('close', resolve));
  stream.setEncoding('latin1');
  stream.on('data', (text) => {
    seen.body += text;
  });
  if (body !== undefined) {
    stream.end(body);
  }
  if (leaveWhen !== undefined) {
    await until(leaveWhen, 'the time to leave');
    stream.close(nodes.constants.NGHTTP2_CANCEL);
  }
  await closed;
  seen.code = stream.rstCode;
  return seen;
}

/**
 * A test for each row: a program and what it is sent, on both servers.
 *
 * - `tells`: with what the lines begin that the program tells, perhaps later than the client's end and
 *   in another order.
 * - `interim: false`: interim responses are not compared.
 */
export function rows(test, all) {
  for (const [name, row] of Object.entries(all)) {
    test(name, async (t) => {
      const servers = await both(t, row.program, row.options);
      const [wanted, got] = await Promise.all(
        servers.map(async ({ server, log }) => {
          const client = await session(t, server, row.client);
          const seen = [];
          for (const request of row.requests) {
            log.length = 0;
            const [fields, body, { leaves, ...how } = {}] = request;
            const leaveWhen = leaves ? () => log.length > 0 : undefined;
            const answer = await ask(client, fields, body, { leaveWhen, ...how });
            if (row.interim === false) {
              delete answer.interim;
            }
            // What is told last may come a moment after the client's end.
            await until(
              () => (row.tells ?? []).every((text) => log.some((line) => line.startsWith(text))),
              `${row.tells} of ${name}`,
            );
            seen.push({ request: request[0], answer, log: row.tells ? log.toSorted() : [...log] });
          }
          return seen;
        }),
      );
      t.deepEqual(got, wanted);
    });
  }
}

/** Fields without those that are the engine's, which also keeps cookies out of tables. */
function shown({ date, 'content-length': _, [nodes.sensitiveHeaders]: __, ...fields }) {
  return { ...fields, hasDate: date !== undefined };
}

export { until };
