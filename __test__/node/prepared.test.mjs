// Messages may have the prototypes of their listener before it gives them. What the listener sees
// is the same as in Node.

import diagnostics from 'node:diagnostics_channel';
import http from 'node:http';
import test from 'ava';
import express from 'express';
import { createServer } from 'reactor-rs/node';
import { Agent } from 'undici';
import { both, closed, few, listening, send } from './both.mjs';

const Request = http.IncomingMessage.prototype;
const Response = http.ServerResponse.prototype;

/** What each server's handler saw, once both have answered one request. */
async function seen(t, build) {
  const notes = {};
  const served = await both((create, kind) =>
    create(
      build((note) => {
        notes[kind] = note;
      }),
    ),
  );
  t.teardown(() => served.close());
  await served.same(t, '/');
  await served.same(t, '/');
  t.deepEqual(notes.reactor, notes.node);
  return notes.reactor;
}

/** A listener that makes its objects the prototypes of messages, as Express does. */
function listenerWith(request, response, note) {
  const listener = (req, res) => {
    note(req, res);
    Object.setPrototypeOf(req, listener.request);
    Object.setPrototypeOf(res, listener.response);
    res.end(`${req.greeting} ${res.greeting}`);
  };
  return Object.assign(listener, { request, response });
}

test('prepared: messages under Express are what they are in Node', async (t) => {
  const note = await seen(t, (done) => {
    const app = express();
    app.get('/', (req, res) => {
      done({
        prototypes: [
          Object.getPrototypeOf(req) === app.request,
          Object.getPrototypeOf(res) === app.response,
        ],
        instances: [req instanceof http.IncomingMessage, res instanceof http.ServerResponse],
        names: [req.constructor.name, res.constructor.name],
        keys: Object.keys(req).filter((key) => key !== '_parsedUrl'),
        status: [res.statusCode, Object.hasOwn(res, 'statusCode')],
        fields: res.getHeaders(),
        hosts: [req.hostname, req.path, req.method],
      });
      res.send('hello');
    });
    return app;
  });
  t.deepEqual(note.prototypes, [true, true]);
  t.deepEqual(note.instances, [true, true]);
});

test.serial(
  'prepared: from Node 24 on, they have the prototypes of Express from the start',
  async (t) => {
    const app = express();
    app.get('/', (_req, res) => res.send('hello'));
    const server = await listening(few(createServer)(app));
    const agent = new Agent();
    const starts = [];
    const note = ({ request, response, server: of }) => {
      if (of === server) {
        starts.push([
          Object.getPrototypeOf(request) === app.request,
          Object.getPrototypeOf(response) === app.response,
        ]);
      }
    };
    diagnostics.subscribe('http.server.request.start', note);
    t.teardown(async () => {
      diagnostics.unsubscribe('http.server.request.start', note);
      await agent.destroy();
      await closed(server);
    });
    t.is(String((await send(agent, server, '/')).body), 'hello');
    const isNow = Number.parseInt(process.versions.node, 10) >= 24;
    t.deepEqual(starts, [[isNow, isNow]]);
  },
);

test('prepared: an application mounted in another has prototypes of its own', async (t) => {
  const note = await seen(t, (done) => {
    const [app, inner] = [express(), express()];
    inner.response.greet = () => 'inner';
    inner.get('/', (req, res) => {
      done([Object.getPrototypeOf(req) === inner.request, res.greet()]);
      res.send('hello');
    });
    app.use('/', inner);
    return app;
  });
  t.deepEqual(note, [true, 'inner']);
});

test('prepared: objects that would not let a message be made are left to the listener', async (t) => {
  const cases = {
    'a getter for what Node sets': Object.create(Request, {
      greeting: { value: 'hi' },
      url: { get: () => 'theirs', configurable: true },
    }),
    'a property that cannot be set': Object.create(Request, {
      greeting: { value: 'hi' },
      method: { value: 'GET' },
    }),
    'a getter further up': Object.create(
      Object.create(Request, { complete: { get: () => true, configurable: true } }),
      { greeting: { value: 'hi' } },
    ),
  };
  for (const [name, request] of Object.entries(cases)) {
    const response = Object.create(Response, { greeting: { value: 'there' } });
    const notes = await seen(t, (done) =>
      listenerWith(request, response, (req, res) =>
        done([
          Object.getPrototypeOf(req) === Request,
          Object.getPrototypeOf(res) === Response,
          req.url,
          req.method,
        ]),
      ),
    );
    t.deepEqual(notes, [true, true, '/', 'GET'], name);
  }
});

test('prepared: the objects of a listener may change, and so may the listeners', async (t) => {
  const make = (prototype, greeting) => Object.create(prototype, { greeting: { value: greeting } });
  const listener = listenerWith(make(Request, 'good'), make(Response, 'morning'), () => {});
  const server = await listening(few(createServer)(listener));
  const agent = new Agent();
  t.teardown(() => agent.destroy().then(() => closed(server)));
  const answer = async () => String((await send(agent, server, '/')).body);
  t.is(await answer(), 'good morning');
  t.is(await answer(), 'good morning');
  listener.request = make(Request, 'bad');
  t.is(await answer(), 'bad morning');
  listener.response = make(Response, 'evening');
  t.is(await answer(), 'bad evening');

  let first;
  server.prependListener('request', (req) => {
    first = Object.getPrototypeOf(req) === Request;
  });
  t.is(await answer(), 'bad evening');
  t.true(first);

  server.removeAllListeners('request');
  server.on('request', (req, res) => {
    res.end(`${Object.getPrototypeOf(req) === Request} ${Object.getPrototypeOf(res) === Response}`);
  });
  t.is(await answer(), 'true true');
});

test('prepared: classes of the program stay as they are', async (t) => {
  class Own extends http.IncomingMessage {}
  const listener = listenerWith(
    Object.create(Request, { greeting: { value: 'a' } }),
    Object.create(Response, { greeting: { value: 'b' } }),
    (req) => t.true(req instanceof Own),
  );
  const server = await listening(few(createServer)({ IncomingMessage: Own }, listener));
  const agent = new Agent();
  t.teardown(() => agent.destroy().then(() => closed(server)));
  t.is(String((await send(agent, server, '/')).body), 'a b');
});
