// What people read: pages that are made from their sources, links, the code in them, and the
// words of README and of the command.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { defaultOf, OPTION_NAMES } from '../../dist/options/table.js';
import { stalePages } from '../../scripts/docs.mjs';
import { BIN, launch, until } from '../support/command.mjs';

const exec = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (file) => readFileSync(join(ROOT, file), 'utf8');

const PAGES = [
  ...['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'CHANGELOG.md'],
  ...['docs', 'examples', 'bench'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
];

/** Text without its code. */
const prose = (page) => page.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, 'code');

test('what is made from sources is what they say', async (t) => {
  const stale = [...(await stalePages()).keys()].map((file) => relative(ROOT, file));
  t.deepEqual(stale, [], '"npm run docs" writes them');
});

test('the defaults that the types tell are those that count', (t) => {
  const page = read('ts/types/options.ts');
  const groups = { Limits: 'limits', Timeouts: 'timeouts', AccessLogOptions: 'accessLog' };
  const interfaces = page.matchAll(/^export interface (\w+)[^{]*\{\n([\s\S]*?)^\}/gm);
  const told = [...interfaces].flatMap(([, group, body]) =>
    group !== 'ServeOptions' && !(group in groups)
      ? []
      : [...body.matchAll(/@default (.*)\n\s+\*\/\n\s+(\w+)\?:/g)].map(([, text, name]) => ({
          text: text.replaceAll("'", ''),
          option: group in groups ? `${groups[group]}.${name}` : name,
        })),
  );
  t.true(told.length > 15);
  for (const { text, option } of told) {
    // A default in words hangs on other options, and that of threads on whether there is a module.
    if (OPTION_NAMES.includes(option) && option !== 'jsThreads' && !text.includes(' ')) {
      t.is(String(defaultOf(option)), text, option);
    }
  }
});

/** The anchors of a page, as GitHub makes them. */
function anchorsOf(page) {
  return [...page.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

for (const file of PAGES) {
  test(`${file}: its links lead to something`, (t) => {
    const page = read(file);
    for (const [, link] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) {
        continue;
      }
      const [path, anchor] = link.split('#');
      const target = path === '' ? join(ROOT, file) : join(ROOT, dirname(file), path);
      t.true(existsSync(target), link);
      if (anchor !== undefined) {
        t.true(anchorsOf(readFileSync(target, 'utf8')).includes(anchor), link);
      }
    }
    t.pass();
  });
}

/** The most words that a sentence may have. */
const LONGEST = 25;

/** Sentences of prose: of a table each cell, of a list each item. */
function sentences(text) {
  return text
    .replace(/<!--.*?-->/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .split(/\n{2,}|\n(?=\s*[-*|#] ?)|\|/)
    .flatMap((block) => block.replace(/\s+/g, ' ').split(/(?<=[.:;?!])\s/))
    .map((sentence) => sentence.trim())
    .filter(Boolean);
}

const tooLong = (text) => sentences(text).filter((each) => each.split(' ').length > LONGEST);

/** Who is meant is said by name. */
const VAGUE = /\b(nobody|whoever|somebody|never else)\b/i;

for (const file of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md']) {
  test(`${file}: sentences are short`, (t) => {
    t.deepEqual(tooLong(prose(read(file))), []);
  });
}

test('ARCHITECTURE: three screens', (t) => {
  const lines = read('ARCHITECTURE.md').trimEnd().split('\n');
  t.true(lines.length <= 165, `${lines.length} lines; a rule of one module goes into that module`);
  t.deepEqual(
    lines.filter((line) => line.length > 110),
    [],
  );
});

for (const file of PAGES.filter((name) => /^(README|ARCHITECTURE|docs|examples)/.test(name))) {
  test(`${file}: says who is meant`, (t) => {
    t.deepEqual(
      prose(read(file))
        .split('\n')
        .filter((line) => VAGUE.test(line)),
      [],
    );
  });
}

for (const command of [[], ['serve'], ['bench'], ['monitor']]) {
  test(`reactor-rs ${[...command, '--help'].join(' ')}: plain words, short sentences`, async (t) => {
    const { stdout } = await exec(process.execPath, [BIN, ...command, '--help']);
    t.notRegex(stdout, VAGUE);
    // Each flag's text is a paragraph of its own.
    const text = stdout.replace(/^ {2}(-.*?|reactor-rs .*?|\w.*?)(?: {2,}|$)/gm, '\n\n');
    t.deepEqual(tooLong(text), []);
  });
}

test('messages say who is meant', (t) => {
  const wrong = [];
  for (const folder of ['ts', 'crates']) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true })) {
      const file = join(folder, entry);
      if (!/\.(ts|cts|rs)$/.test(file) || /\b(sim|tests?|examples|target)\b/.test(file)) {
        continue;
      }
      // Up to the tests at the end of a file of Rust.
      const [source] = read(file).split('#[cfg(test)]');
      for (const line of source.split('\n')) {
        if (!/^\s*(\/\/|\*|\/\*)/.test(line) && /(['"`]).*\b(nobody|whoever)\b.*\1/i.test(line)) {
          wrong.push(`${file}: ${line.trim()}`);
        }
      }
    }
  }
  t.deepEqual(wrong, []);
});

/** The blocks of JavaScript in README. */
const blocks = [...read('README.md').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

test('README: its programs run', async (t) => {
  t.is(blocks.length, 3);
  const [first, hono, node] = blocks;
  const folder = mkdtempSync(join(ROOT, 'build/readme-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  // The folder that the first one serves.
  mkdirSync(join(folder, 'public'));
  const programs = [
    [first, '/users/7', '{"id":"7"}'],
    [hono, '/', 'Hello!'],
    [`const app = (req, res) => res.end('node');\n${node}`, '/', 'node'],
  ];
  for (const [index, [code, path, expected]] of programs.entries()) {
    const program = code
      .replace('port: 3000', 'port: 0, hostname: "127.0.0.1"')
      .replace('listen(3000)', 'listen(0, "127.0.0.1", tell)')
      .replace('await serve(', 'globalThis.server = await serve(');
    const file = join(folder, `${index}.mjs`);
    writeFileSync(
      file,
      `${program}
      function tell() { console.log(\`http://127.0.0.1:\${this.address().port}/\`); }
      if (globalThis.server) console.log(String(globalThis.server.url));`,
    );
    const child = launch([file], { cwd: folder });
    t.teardown(() => child.process.kill('SIGKILL'));
    await until(() => child.stdout().includes('\n') || child.process.exitCode !== null, 'its URL');
    t.regex(child.stdout(), /^http:/, child.stderr());
    t.is(await (await fetch(new URL(path, child.stdout().trim()))).text(), expected);
    child.process.kill('SIGKILL');
    await once(child.process, 'close');
  }
});

test('README: every command in it is one', (t) => {
  const { scripts } = JSON.parse(read('package.json'));
  for (const file of PAGES.filter((name) => !name.startsWith('CHANGELOG'))) {
    for (const [, name] of read(file).matchAll(
      /\bnpm run ([a-z][a-z\d]*(?::[a-z\d-]+)*)(?!:[A-Z]|\w)/g,
    )) {
      t.true(name in scripts, `${file}: npm run ${name}`);
    }
  }
});
