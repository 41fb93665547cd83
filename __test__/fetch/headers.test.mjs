// Our Headers against Node's own: the same calls, the same results.

import test from 'ava';
import { GenuineHeaders } from '../../dist/fetch/genuine.js';
import { fromSource, ReactorHeaders } from '../../dist/fetch/headers.js';
import { outcome } from './oracle.mjs';

/** All that can be seen of headers. */
function all(headers) {
  const each = [];
  headers.forEach((...args) => {
    each.push([args[0], args[1], args[2] === headers]);
  });
  return {
    entries: [...headers.entries()],
    iterated: [...headers],
    keys: [...headers.keys()],
    values: [...headers.values()],
    each,
    cookies: headers.getSetCookie(),
  };
}

/** ava takes blanks of every kind for the same. */
const quoted = (text) => JSON.stringify(encodeURIComponent(text));

const PROGRAMS = {
  empty: (H) => all(new H()),
  'a record': (H) => all(new H({ B: '2', a: '1', 'X-Y': ' z ' })),
  'pairs, some twice': (H) =>
    all(
      new H([
        ['b', '2'],
        ['A', '1'],
        ['a', '3'],
        ['B', ''],
      ]),
    ),
  'other headers': (H) => all(new H(new H({ a: '1', 'set-cookie': 'x=1' }))),
  'other headers keep cookies apart': (H) => {
    const first = new H();
    first.append('set-cookie', 'a=1');
    first.append('Set-Cookie', 'b=2');
    return all(new H(first));
  },
  'a map': (H) => all(new H(new Map([['a', '1']]))),
  'names that differ in case only': (H) => all(new H({ a: '1', A: '2' })),
  'an inherited property': (H) => all(new H(Object.create({ a: '1' }))),
  'a number as value': (H) => all(new H({ a: 1, b: null, c: undefined, d: [1, 2] })),
  'an object as value': (H) => all(new H({ a: { toString: () => 'text' } })),
  'a symbol as value': (H) => all(new H({ a: Symbol('x') })),
  null: (H) => all(new H(null)),
  'a number': (H) => all(new H(5)),
  'a string': (H) => all(new H('ab')),
  'pairs of one': (H) => all(new H([['a']])),
  'pairs of three': (H) => all(new H([['a', 'b', 'c']])),
  'pairs that are text': (H) => all(new H(['ab'])),
  'pairs that are sets': (H) => all(new H([new Set(['a', 'b'])])),
  'an empty list': (H) => all(new H([])),
  'append joins': (H) => {
    const headers = new H({ a: '1' });
    headers.append('A', '2');
    headers.append('b', '');
    return [headers.get('a'), headers.get('B'), headers.get('c'), all(headers)];
  },
  'set replaces all': (H) => {
    const headers = new H([
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ]);
    headers.set('A', '4');
    headers.set('c', '5');
    return all(headers);
  },
  'delete removes all': (H) => {
    const headers = new H([
      ['a', '1'],
      ['b', '2'],
      ['A', '3'],
    ]);
    headers.delete('a');
    headers.delete('missing');
    return [headers.has('a'), headers.has('B'), all(headers)];
  },
  'cookies stay apart in iteration': (H) => {
    const headers = new H();
    headers.append('set-cookie', 'b=2');
    headers.append('a', '1');
    headers.append('Set-Cookie', 'a=1');
    headers.append('x', '1');
    return [headers.get('set-cookie'), all(headers)];
  },
  'cookies of a request are joined as cookies are': (H) => {
    const headers = new H({ cookie: 'a=1' });
    headers.append('Cookie', 'b=2');
    return [headers.get('cookie'), all(headers)];
  },
  'names in order of their bytes': (H) =>
    all(new H({ b: '1', 'a-b': '2', a_b: '3', a: '4', 'a.b': '5', '~': '6', '!': '7', 0: '8' })),
  'a record that looks as it is read': (H) => {
    const order = [];
    const record = new Proxy(
      { b: '1', a: '2' },
      {
        ownKeys: (target) => {
          order.push('keys');
          return Reflect.ownKeys(target);
        },
        get: (target, name) => {
          order.push(`get ${String(name)}`);
          return target[name];
        },
      },
    );
    return [all(new H(record)), order.filter((step) => step !== 'get Symbol(Symbol.iterator)')];
  },
  'pairs of a generator': (H) =>
    all(
      new H(
        (function* () {
          yield ['a', '1'];
          yield ['b', '2'];
        })(),
      ),
    ),
  'an array of pairs with undefined': (H) => all(new H([['a', undefined]])),
  'set where there were several keeps the first place': (H) => {
    const headers = new H();
    headers.append('x', '1');
    headers.append('y', '2');
    headers.append('x', '3');
    headers.set('X', '4');
    headers.append('x', '5');
    return [headers.get('x'), all(headers)];
  },
  'set-cookie by every way in': (H) => {
    const headers = new H([
      ['Set-Cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
    headers.append('SET-COOKIE', 'c=3');
    const before = headers.getSetCookie();
    headers.set('set-cookie', 'd=4');
    const after = headers.getSetCookie();
    headers.delete('set-cookie');
    return [before, after, headers.getSetCookie(), headers.get('set-cookie')];
  },
  'what getSetCookie gives is a copy': (H) => {
    const headers = new H({ 'set-cookie': 'a=1' });
    headers.getSetCookie().push('b=2');
    return headers.getSetCookie();
  },
  'an empty cookie': (H) => {
    const headers = new H();
    headers.append('set-cookie', '');
    return [headers.getSetCookie(), headers.get('set-cookie'), all(headers)];
  },
  'iterators of another object': async (H) => {
    const iterator = new H({ a: '1' }).keys();
    return [
      await outcome(() => iterator.next.call({})),
      await outcome(() => H.prototype.get.call({}, 'a')),
      await outcome(() => H.prototype.entries.call({})),
    ];
  },
  'entries and iteration are one function': (H) =>
    H.prototype.entries === H.prototype[Symbol.iterator],
  'names of functions': (H) =>
    ['append', 'delete', 'get', 'has', 'set', 'forEach', 'keys', 'values', 'entries'].map(
      (name) => [H.prototype[name].name, H.prototype[name].length],
    ),
  'very many': (H) =>
    all(
      new H(
        Array.from({ length: 500 }, (_, i) => [i % 7 ? `n${(i * 31) % 97}` : 'set-cookie', `${i}`]),
      ),
    ),
  'iteration sees changes': (H) => {
    const headers = new H({ a: '1', c: '3' });
    const names = [];
    for (const [name] of headers) {
      names.push(name);
      if (name === 'a') {
        headers.append('b', '2');
      }
      if (names.length > 10) {
        break;
      }
    }
    return names;
  },
  'forEach sees changes': (H) => {
    const headers = new H({ a: '1', c: '3' });
    const names = [];
    headers.forEach((_value, name) => {
      names.push(name);
      if (name === 'a') {
        headers.delete('c');
      }
    });
    return names;
  },
  'an iterator is an iterator': (H) => {
    const iterator = new H({ a: '1' }).entries();
    return [
      iterator[Symbol.iterator]() === iterator,
      iterator.next(),
      iterator.next(),
      iterator.next(),
      Object.prototype.toString.call(iterator),
    ];
  },
  'forEach without a function': (H) => new H({ a: '1' }).forEach(5),
  'forEach keeps this': (H) => {
    const seen = [];
    new H({ a: '1' }).forEach(
      function each() {
        seen.push(this.mark);
      },
      { mark: 7 },
    );
    return seen;
  },
  'get without a name': (H) => new H().get(),
  'set without a value': (H) => new H().set('a'),
  'append without a value': (H) => new H().append('a'),
  'has without a name': (H) => new H().has(),
  'delete without a name': (H) => new H().delete(),
  'set undefined': (H) => {
    const headers = new H();
    headers.set('a', undefined);
    return all(headers);
  },
  'what it says it is': (H) => Object.prototype.toString.call(new H()),
  'its own properties': (H) => [
    Object.keys(new H({ a: '1' })),
    JSON.stringify(new H({ a: '1' })),
    H.name,
    H.length,
  ],
};

for (const name of ['', 'a b', 'a:b', 'é', 'a\n', ' a', '(a)', 'a"b', "a'b", 'a|b~^`!#$%&*+-._']) {
  for (const method of ['get', 'has', 'set', 'append', 'delete']) {
    PROGRAMS[`${method} with the name ${quoted(name)}`] = (H) => {
      const headers = new H();
      return [headers[method](name, 'x'), all(headers)];
    };
  }
  PROGRAMS[`a record with the name ${quoted(name)}`] = (H) => all(new H({ [name]: 'x' }));
}

for (const value of [
  '',
  ' ',
  ' a ',
  '\t a\t',
  'a b',
  'a\tb',
  '\r\na\r\n',
  'a\r\nb',
  'a\nb',
  'a\0b',
  '\0',
  'é',
  '\xff',
  'ā',
  '😀',
  '\x01',
  'a\x7fb',
  '\x0ba\x0b',
  '\xa0a\xa0',
]) {
  PROGRAMS[`the value ${quoted(value)}`] = (H) => all(new H({ a: value }));
  PROGRAMS[`append the value ${quoted(value)}`] = (H) => {
    const headers = new H();
    headers.append('a', value);
    return headers.get('a');
  };
}

PROGRAMS['a symbol in a record'] = (H) => all(new H({ a: '1', [Symbol('b')]: '2' }));
PROGRAMS['only a symbol in a record'] = (H) =>
  all(new H({ [Symbol.iterator]: null, [Symbol('b')]: '2' }));
PROGRAMS['a symbol in a pair'] = (H) => all(new H([[Symbol('a'), '1']]));
PROGRAMS['a symbol in a proxy'] = (H) => all(new H(new Proxy({ [Symbol('b')]: '2' }, {})));
PROGRAMS['a symbol as a value'] = (H) => all(new H({ a: Symbol('b') }));
PROGRAMS['append a symbol'] = (H) => new H().append(Symbol('a'), '1');

for (const [name, program] of Object.entries(PROGRAMS)) {
  test(name, async (t) => {
    const genuine = await outcome(() => program(GenuineHeaders));
    const ours = await outcome(() => program(ReactorHeaders));
    t.deepEqual(ours, genuine);
  });
}

test('what cannot be listed in a record is left out, as the standard has it and Node has not', (t) => {
  const record = Object.defineProperty({ a: '1' }, 'b', { value: '2', enumerable: false });
  t.deepEqual([...new ReactorHeaders(record)], [['a', '1']]);
  t.deepEqual([...new ReactorHeaders(Object.assign(() => {}, { a: '1' }))], [['a', '1']]);
});

test('instances of both classes are instances of both', (t) => {
  const ours = new ReactorHeaders();
  const genuine = new GenuineHeaders();
  t.true(ours instanceof GenuineHeaders);
  t.true(ours instanceof ReactorHeaders);
  t.true(genuine instanceof ReactorHeaders);
  t.false({} instanceof ReactorHeaders);
  t.false(null instanceof ReactorHeaders);
  class Mine extends ReactorHeaders {}
  t.true(new Mine() instanceof Mine);
  t.true(new Mine() instanceof ReactorHeaders);
  t.false(ours instanceof Mine);
});

test('each takes the other', (t) => {
  const cookies = [
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['x', 'y'],
  ];
  t.deepEqual([...new GenuineHeaders(new ReactorHeaders(cookies))], cookies);
  t.deepEqual([...new ReactorHeaders(new GenuineHeaders(cookies))], cookies);
});

test('every member of the genuine class is there', (t) => {
  for (const name of Object.getOwnPropertyNames(GenuineHeaders.prototype)) {
    t.true(Object.hasOwn(ReactorHeaders.prototype, name), name);
    const is = (prototype) => Object.getOwnPropertyDescriptor(prototype, name).enumerable;
    t.is(is(ReactorHeaders.prototype), is(GenuineHeaders.prototype), name);
  }
});

/** A source that counts how often all its fields were asked for. */
function sourceOf(isLive) {
  return {
    isLive,
    filled: 0,
    field: (name) => (name === 'a' ? 'from the source' : null),
    hasField: (name) => name === 'a',
    fields() {
      this.filled++;
      return ['b', '2', 'a', 'from the list'];
    },
  };
}

test('headers of a source are read there until they are changed', (t) => {
  const source = sourceOf(true);
  const headers = fromSource(source);
  t.is(headers.get('A'), 'from the source');
  t.true(headers.has('a'));
  t.false(headers.has('b'));
  t.is(source.filled, 0);
  t.deepEqual([...headers.keys()], ['a', 'b']);
  headers.set('c', '3');
  t.is(headers.get('a'), 'from the list');
  t.true(headers.has('c'));
  t.is(source.filled, 1);
});

test('headers of a source that is gone are taken apart once', (t) => {
  const source = sourceOf(true);
  const headers = fromSource(source);
  t.is(headers.get('a'), 'from the source');
  source.isLive = false;
  t.is(headers.get('a'), 'from the list');
  t.is(headers.get('missing'), null);
  t.true(headers.has('b'));
  t.false(headers.has('missing'));
  t.is(source.filled, 1);
});

test('headers of which nothing was said share no fields', (t) => {
  const [one, other] = [new ReactorHeaders(), new ReactorHeaders()];
  one.append('a', '1');
  t.deepEqual([...one], [['a', '1']]);
  t.deepEqual([...other], []);
  other.set('b', '2');
  other.delete('a');
  t.deepEqual([...other], [['b', '2']]);
  t.deepEqual([...new ReactorHeaders()], []);
});

test('a value with very many blanks takes no time', (t) => {
  const value = `x${' '.repeat(200_000)}\u0001${' '.repeat(200_000)}y`;
  // The best of five: the machine may have something else to do.
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    t.is(new ReactorHeaders({ a: `\n${value}\n` }).get('a'), value);
    return performance.now() - start;
  });
  t.true(Math.min(...times) < 1000, times.join());
});
