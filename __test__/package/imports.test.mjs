// The check of who imports whom, on sources that it must refuse.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { faultsOf, LAYOUTS, TYPESCRIPT } from '../../scripts/imports.mjs';
import { temporary } from '../support/folder.mjs';

/** What is wrong with these sources of `ts/`, where modules may import what the table says. */
function faults(t, mayImport, sources, rows) {
  const top = temporary(t);
  for (const [name, text] of Object.entries(sources)) {
    const file = join(top, 'ts', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return faultsOf({ ...TYPESCRIPT, mayImport, rows }, top);
}

for (const layout of LAYOUTS) {
  test(`${layout.root}: every import goes along the arrows, and none in a circle`, (t) => {
    t.deepEqual(faultsOf(layout), []);
  });
}

test('imports along the arrows and within a module are right', (t) => {
  const sources = {
    'low/one.ts': "import './two.js';\n",
    'low/two.ts': "import { readFileSync } from 'node:fs';\n",
    'high/deep/three.ts': "import { one } from '../../low/one.js';\n",
    'top.ts': "export { three } from './high/deep/three.js';\n",
  };
  t.deepEqual(faults(t, { low: [], high: ['low'], top: ['high'] }, sources), []);
});

test('an import against the arrows: file, line, what it imports and what is allowed', (t) => {
  const sources = {
    'low/one.ts': "// A comment.\nimport {\n  three,\n  four,\n} from '../high/three.js';\n",
    'high/three.ts': "import type { Other } from '../other/other.js';\n",
    'other/other.ts': '',
  };
  t.deepEqual(faults(t, { low: [], high: ['other'], other: [] }, sources), [
    'ts/low/one.ts:5 imports ../high/three.js: low may import nothing',
  ]);
  const table = { low: ['high'], high: ['low'], other: [] };
  const [fault] = faults(t, table, { ...sources, 'low/one.ts': '' });
  t.is(fault, 'ts/high/three.ts:1 imports ../other/other.js: high may import low');
});

for (const [what, text] of Object.entries({
  'a type': "import type { A } from '../high/a.js';",
  'for its effect': "import '../high/a.js';",
  're-exported': "export { a } from '../high/a.js';",
  'all of it': "import * as a from '../high/a.js';",
  'at run time': "  const { a } = await import('../high/a.js');",
  'with require': "const a = require('../high/a.cjs');",
  'as the type of a module': "const a: typeof import('../high/a.js') = b;",
})) {
  test(`an import is seen: ${what}`, (t) => {
    const sources = { 'low/one.ts': `${text}\n`, 'high/a.ts': '', 'high/a.cts': '' };
    const [, written] = /'(.*)'/.exec(text);
    t.deepEqual(faults(t, { low: [], high: [] }, sources), [
      `ts/low/one.ts:1 imports ${written}: low may import nothing`,
    ]);
  });
}

test('what a comment shows is no import', (t) => {
  const text =
    "/**\n * @example\n * await import('../high/a.js');\n */\n// import('../high/a.js')\n";
  t.deepEqual(faults(t, { low: [], high: [] }, { 'low/one.ts': text, 'high/a.ts': '' }), []);
});

test('a name of package.json leads to its file', (t) => {
  const sources = { 'low/one.ts': "import { here } from '#here';\n", 'here.ts': '' };
  t.deepEqual(faults(t, { low: [], here: [] }, sources), [
    'ts/low/one.ts:1 imports #here: low may import nothing',
  ]);
});

test('a circle of files is told with its lines, also where it is of types', (t) => {
  const sources = {
    'low/a.ts': "\nimport { b } from './b.js';\n",
    'low/b.ts': "import { c } from './c.js';\n",
    'low/c.ts': "\n\nimport type { A } from './a.js';\n",
  };
  t.deepEqual(faults(t, { low: [] }, sources), [
    'ts: files import each other in a circle: low/a.ts:2 → low/b.ts:1 → low/c.ts:3 → low/a.ts',
  ]);
});

test('a circle of modules is told, though no file is in one', (t) => {
  const sources = {
    'low/a.ts': "import '../high/b.js';\n",
    'low/c.ts': '',
    'high/b.ts': '',
    'high/d.ts': "import '../low/c.js';\n",
  };
  t.deepEqual(faults(t, { low: ['high'], high: ['low'] }, sources), [
    'ts: the table lets modules import in a circle: low → high → low',
  ]);
});

test('the map tells of every module once', (t) => {
  const sources = { 'low/a.ts': '', 'high/b.ts': '' };
  const rows = [{ modules: ['low', 'gone'] }, { modules: ['low'] }];
  t.deepEqual(faults(t, { low: [], high: [] }, sources, rows), [
    'scripts/imports.mjs: no row tells what is in "high"; add it',
    'scripts/imports.mjs: a row names "gone" in vain; take it out',
    'scripts/imports.mjs: a row names "low" in vain; take it out',
  ]);
});

test('the table has the modules that there are, and arrows that are used', (t) => {
  const sources = { 'low/a.ts': '', 'high/b.ts': '', 'lone.ts': '' };
  t.deepEqual(faults(t, { low: [], high: ['low'], gone: [] }, sources), [
    'scripts/imports.mjs: the table has no module "lone"; add it',
    'scripts/imports.mjs: there is no module "gone"; take it out',
    'scripts/imports.mjs: high may import low, but no file does; take it out of the table',
  ]);
});
