// The check of who imports whom inside a crate, on sources that it must refuse.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { faultsOfCrate, mapOf, PROTO, SERVER, TLS } from '../../scripts/imports/rust.mjs';
import { ROOT } from '../../scripts/setup.mjs';

/** Rows of one module each, the lowest first. */
function rowsOf(...modules) {
  return modules.map((name) => ({ modules: name.split(', '), holds: 'something' }));
}

/** What is wrong with these sources of a crate. */
function faults(t, rows, sources, known = []) {
  const top = mkdtempSync(join(tmpdir(), 'reactor-imports-'));
  t.teardown(() => rmSync(top, { recursive: true }));
  for (const [name, text] of Object.entries(sources)) {
    const file = join(top, 'src', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return faultsOfCrate({ root: 'src', rows: rowsOf(...rows), known }, top);
}

for (const crate of [PROTO, TLS, SERVER]) {
  test(`${crate.root}: every import goes down the rows, and none in a circle`, (t) => {
    t.deepEqual(faultsOfCrate(crate, ROOT), []);
  });
}

test('imports down the rows and within a row are right', (t) => {
  const sources = {
    'lib.rs': 'mod high;\nmod low;\npub use high::deep::Deep;\n',
    'low/mod.rs': 'pub(crate) mod one;\npub(crate) mod two;\n',
    'low/one.rs': 'use std::io;\n\nuse reactor_sys::Poller;\nuse crate::low::two::Two;\n',
    'low/two.rs': 'pub(crate) struct Two;\n',
    'high/mod.rs': 'pub(crate) mod deep;\n',
    'high/deep.rs': 'use super::super::low::one::One;\nfn f() -> crate::low::two::Two {}\n',
  };
  t.deepEqual(faults(t, ['low', 'high'], sources), []);
});

const UPWARD = 'src/low.rs:LINE imports WRITTEN (high.rs): "low" lies below "high"';

for (const [what, line, written, text] of [
  ['a use', 2, 'crate::high::High', '//! Low.\nuse crate::high::High;\n'],
  ['a public one', 1, 'crate::high::High', 'pub(crate) use crate::high::High;\n'],
  ['under another name', 1, 'crate::high::High', 'use crate::high::High as Low;\n'],
  ['all of it', 1, 'crate::high::*', 'use crate::high::*;\n'],
  ['the module', 1, 'crate::high', 'use crate::high::{self};\n'],
  ['one of several', 3, 'crate::high::High', 'use crate::{\n    Other,\n    high::{High},\n};\n'],
  ['from the module around', 1, 'super::high::High', 'use super::high::High;\n'],
  ['a path in the code', 2, 'crate::high::f', 'fn low() {\n    crate::high::f();\n}\n'],
  ['a path in a type', 1, 'super::high::High', 'type Low = Vec<super::high::High>;\n'],
  ['behind a character', 1, 'crate::high::f', `fn f<'a>() { g('"', '\\'', crate::high::f()) }\n`],
  ['behind a test', 2, 'crate::high::f', '#[cfg(test)]\nuse a::{b, c}; use crate::high::f;\n'],
]) {
  test(`an import is seen: ${what}`, (t) => {
    const sources = { 'lib.rs': 'mod high;\nmod low;\n', 'low.rs': text, 'high.rs': '' };
    const found = faults(t, ['low', 'high'], sources).filter(
      (fault) => !fault.includes('(lib.rs)'),
    );
    t.deepEqual(found, [UPWARD.replace('LINE', line).replace('WRITTEN', written)]);
  });
}

for (const [what, text] of [
  ['in a comment', '//! See [`High`](crate::high::High).\n/* use crate::high::High; */\n'],
  [
    'in a string',
    'const LOW: &str = "crate::high::High \\" crate::high";\nconst R: &str = r#"crate::high"#;\n',
  ],
  [
    'for tests',
    '#[cfg(test)]\nuse crate::high::High;\n#[cfg(test)]\nmod tests {\n    use crate::high::High;\n    fn a() { crate::high::f(); }\n}\n',
  ],
  [
    'a member for tests',
    'struct Low {\n    #[cfg(test)]\n    high: crate::high::High,\n    low: u8,\n}\n',
  ],
  [
    'a function for tests',
    '#[cfg(test)]\n#[must_use]\npub(crate) fn f(a: [u8; 2]) -> crate::high::High {\n    crate::high::g()\n}\n',
  ],
  ['of another crate', 'use other::crate_high::High;\nuse high::High;\n'],
]) {
  test(`what a file may do: ${what}`, (t) => {
    const sources = { 'lib.rs': 'mod high;\nmod low;\n', 'low.rs': text, 'high.rs': '' };
    t.deepEqual(faults(t, ['low', 'high'], sources), []);
  });
}

test('modules for tests may import what they want', (t) => {
  const sources = {
    'lib.rs': 'mod high;\nmod low;\n#[cfg(test)]\nmod sim;\n',
    'low.rs': '#[cfg(test)]\nmod tests;\n',
    'low/tests.rs': 'use crate::high::High;\n',
    'high.rs': 'pub(crate) struct High;\n',
    'sim/mod.rs': 'mod world;\nuse world::World;\nuse crate::high::High;\n',
    'sim/world.rs': 'use super::Sim;\n',
  };
  t.deepEqual(faults(t, ['low', 'high', 'sim'], sources), []);
});

test('the longest path decides which row a file is in', (t) => {
  const sources = {
    'lib.rs': '',
    'a/mod.rs': '',
    'a/low.rs': 'use crate::b::B;\n',
    'a/high.rs': 'use crate::b::B;\n',
    'b.rs': 'use crate::a::low::Low;\n',
  };
  t.deepEqual(faults(t, ['a/low', 'b', 'a'], sources), [
    'src/a/low.rs:1 imports crate::b::B (b.rs): "a/low" lies below "b"',
  ]);
});

test('a name that a module only re-exports is where it is defined', (t) => {
  const sources = {
    'lib.rs': 'mod a;\nmod b;\npub use a::one::One;\n',
    'a/mod.rs':
      'mod one;\nmod two;\npub(crate) use self::one::One;\npub(crate) use two::Two as Zwei;\n',
    'a/one.rs': 'use super::Zwei;\n',
    'a/two.rs': '',
    'b.rs': 'use crate::a::{One, Zwei};\nfn f(_: crate::One) {}\n',
  };
  t.deepEqual(faults(t, ['a', 'b'], sources), []);
  t.deepEqual(faults(t, ['b', 'a'], sources), [
    'src/b.rs:1 imports crate::a::One (a/one.rs): "b" lies below "a"',
    'src/b.rs:1 imports crate::a::Zwei (a/two.rs): "b" lies below "a"',
    'src/b.rs:2 imports crate::One (a/one.rs): "b" lies below "a"',
  ]);
});

test('nothing of the crate imports its top', (t) => {
  const sources = { 'lib.rs': 'mod a;\npub struct Top;\n', 'a.rs': 'use crate::Top;\n' };
  t.deepEqual(faults(t, ['a'], sources), [
    'src/a.rs:1 imports crate::Top (lib.rs): "a" lies below "lib"',
  ]);
});

test('a circle of files within a row is told with its lines', (t) => {
  const sources = {
    'lib.rs': '',
    'a/one.rs': '\nuse super::two::Two;\n',
    'a/two.rs': 'use crate::a::three::Three;\n',
    'a/three.rs': '//! Three.\n\nuse crate::a::one::{One, Other};\n',
    'a/mod.rs': 'mod one;\nmod two;\nmod three;\n',
  };
  t.deepEqual(faults(t, ['a'], sources), [
    'src: files import each other in a circle: a/one.rs:2 → a/two.rs:1 → a/three.rs:3 → a/one.rs',
  ]);
});

test('a parent and its child can be a circle too', (t) => {
  const sources = {
    'lib.rs': '',
    'a.rs': 'mod child;\n\nfn a() {\n    child::f();\n}\n',
    'a/child.rs': 'use super::A;\n',
  };
  t.deepEqual(faults(t, ['a'], sources), [
    'src: files import each other in a circle: a.rs:4 → a/child.rs:1 → a.rs',
  ]);
});

test('a known fault is let through, until it is none any more', (t) => {
  const sources = {
    'lib.rs': '',
    'low.rs': 'use crate::high::High;\n',
    'high.rs': 'use crate::low::Low;\n',
  };
  t.deepEqual(faults(t, ['low', 'high'], sources, [['low.rs', 'high.rs']]), []);
  t.deepEqual(faults(t, ['low, high'], sources, [['low.rs', 'high.rs']]), [], 'a circle');
  const known = [
    ['low.rs', 'high.rs'],
    ['high.rs', 'low.rs'],
    ['gone.rs', 'low.rs'],
  ];
  t.deepEqual(faults(t, ['low', 'high'], { ...sources, 'low.rs': '' }, known), [
    'src: low.rs → high.rs is no longer wrong; take it out of "known"',
    'src: high.rs → low.rs is no longer wrong; take it out of "known"',
    'src: gone.rs → low.rs is no longer wrong; take it out of "known"',
  ]);
});

test('the rows have the modules that there are', (t) => {
  const sources = { 'lib.rs': '', 'a/mod.rs': '', 'a/b.rs': '', 'c.rs': '' };
  t.deepEqual(faults(t, ['a', 'gone'], sources), [
    'src/c.rs: no row of scripts/imports/rust.mjs has it; add it',
    'src: there is no module "gone"; take it out of the rows',
  ]);
});

test('the map begins at the top', (t) => {
  const crate = { root: 'c/src', rows: rowsOf('low, lower', 'a/one', 'a/two, a/three, b', 'high') };
  t.deepEqual(mapOf(crate, { root: 'd', rows: rowsOf('e') }).split('\n'), [
    '| modules | hold |',
    '| --- | --- |',
    '| **c/src/** | |',
    '| `high` | something |',
    '| `a/{two, three}`, `b` | something |',
    '| `a/one` | something |',
    '| `low`, `lower` | something |',
    '| **d/** | |',
    '| `e` | something |',
  ]);
});
