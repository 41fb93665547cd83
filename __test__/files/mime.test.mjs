// The table of types by extension: made from mime-db, and asked through the binding.

import { relative } from 'node:path';
import test from 'ava';
import { binding } from '../../dist/binding/binding.js';
import { staleTables, typesTable } from '../../scripts/mime.mjs';
import { ROOT } from '../../scripts/setup.mjs';

test('the tables are what mime-db says', (t) => {
  const stale = [...staleTables().keys()].map((file) => relative(ROOT, file));
  t.deepEqual(stale, [], '"npm run mime" writes them');
});

test('the binding knows every type of the table', (t) => {
  const { contentTypeOf } = binding();
  const lines = typesTable().trimEnd().split('\n');
  t.true(lines.length > 1000);
  const wrong = lines.filter((line) => {
    const [, extension, type] = /^(\S+) (.+)$/.exec(line);
    return (
      contentTypeOf(`a.${extension}`) !== type ||
      contentTypeOf(`/b.c/D.${extension.toUpperCase()}`) !== type
    );
  });
  t.deepEqual(wrong, []);
});

test('names without a known extension have no type', (t) => {
  const { contentTypeOf } = binding();
  for (const name of ['', 'LICENSE', '.html', 'a.', 'a.nope', 'a.html/b', 'ä.ö', 'a.\ud800']) {
    t.is(contentTypeOf(name), null, name);
  }
  t.is(contentTypeOf('ä.html'), 'text/html; charset=utf-8');
});
