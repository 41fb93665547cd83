// Files of a module are saved in every way, in any order and at any pace, also while it loads, while
// clients ask over connections that they keep. No request may fail, and the last state wins.
//
//   node scripts/trials/watch/saves.mjs [rounds] [seed]

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { check, finish } from '../lib.mjs';

const BIN = fileURLToPath(new URL('../../../dist/cli/bin.js', import.meta.url));
const [rounds = 8, seed = Date.now() % 100_000] = process.argv.slice(2).map(Number);

/** How long anything may take, in milliseconds: only a hang reaches it. */
const DEADLINE = 60_000;

/** Saves of one round. */
const SAVES = 25;

let state = seed;
/** An integer from 0 to below `below`; the same for the same seed. */
function random(below) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return (state >>> 8) % below;
}

const folder = mkdtempSync(join(tmpdir(), 'reactor-saves-'));
const at = (name) => join(folder, name);
const WAYS = [
  (file, text) => writeFileSync(file, text),
  (file, text) => {
    writeFileSync(`${file}~`, text);
    renameSync(`${file}~`, file);
  },
  (file, text) => {
    unlinkSync(file);
    writeFileSync(file, text);
  },
  (file, text) => {
    renameSync(file, `${file}.bak`);
    writeFileSync(file, text);
  },
  (file, text) => {
    rmSync(at('lib.old'), { recursive: true, force: true });
    renameSync(at('lib'), at('lib.old'));
    mkdirSync(at('lib'));
    for (const name of ['a.mjs', 'b.cjs']) {
      writeFileSync(at(`lib/${name}`), readFileSync(at(`lib.old/${name}`)));
    }
    writeFileSync(file, text);
  },
];
const BROKEN = ['const = 1;', "throw new Error('no');", 'for (;;);', "import './no.mjs';", ''];

/** The source of a file of this version. */
const sourceOf = (name, version) =>
  name.endsWith('.cjs') ? `module.exports = ${version};` : `export default ${version};`;

mkdirSync(at('lib'));
writeFileSync(at('package.json'), '{"type":"module"}');
writeFileSync(at('lib/a.mjs'), sourceOf('a.mjs', 0));
writeFileSync(at('lib/b.cjs'), sourceOf('b.cjs', 0));
writeFileSync(
  at('app.mjs'),
  `import a from './lib/a.mjs';
   import b from './lib/b.cjs';
   if (typeof a !== 'number' || typeof b !== 'number') throw new Error('half a file');
   export default () => new Response('v' + a + '.' + b);`,
);

console.log(`# seed ${seed}`);
const args = ['serve', 'app.mjs', '--watch', '--json', '-H', '127.0.0.1', '-p', '0'];
const server = spawn(process.execPath, [BIN, ...args, '--js-threads', '2'], {
  cwd: folder,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const counts = {};
let url;
createInterface({ input: server.stdout }).on('line', (line) => {
  const { event, url: found } = JSON.parse(line);
  url ??= found;
  counts[event] = (counts[event] ?? 0) + 1;
});
await until(() => url !== undefined, 'the server');

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const ports = new Set();
const failures = [];
let answers = 0;
let isOver = false;
const clients = Array.from({ length: 4 }, async () => {
  while (!isOver) {
    try {
      const { status, body } = await ask();
      answers++;
      if (status !== 200 || !/^v\d+\.\d+$/.test(body)) {
        failures.push(`${status} ${body}`);
      }
    } catch (error) {
      failures.push(String(error));
    }
    await sleep(5);
  }
});

const versions = { 'a.mjs': 0, 'b.cjs': 0 };
for (let round = 1; round <= rounds; round++) {
  await check(`round ${round}`, async () => {
    for (let save = 0; save < SAVES; save++) {
      const name = random(2) === 0 ? 'a.mjs' : 'b.cjs';
      const isBroken = random(3) === 0;
      const text = isBroken ? BROKEN[random(BROKEN.length)] : sourceOf(name, ++versions[name]);
      WAYS[random(WAYS.length)](at(`lib/${name}`), text);
      await sleep(random(4) === 0 ? random(400) : random(40));
    }
    for (const name of Object.keys(versions)) {
      WAYS[random(WAYS.length)](at(`lib/${name}`), sourceOf(name, ++versions[name]));
    }
    const expected = `v${versions['a.mjs']}.${versions['b.cjs']}`;
    await until(async () => (await ask()).body === expected, expected);
    assert.deepEqual(failures, []);
  });
}
isOver = true;
await Promise.all(clients);
await check('every request was answered, over the same few connections', () => {
  assert.deepEqual(failures, []);
  assert(ports.size <= 4, `${ports.size} connections`);
  return `${answers} answers, ${ports.size} connections, ${JSON.stringify(counts)}`;
});
agent.destroy();
server.kill('SIGTERM');
await once(server, 'exit');
rmSync(folder, { recursive: true, force: true });
finish();

function ask() {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, async (answer) => {
      ports.add(answer.socket.localPort);
      let body = '';
      for await (const piece of answer.setEncoding('utf8')) {
        body += piece;
      }
      resolve({ status: answer.statusCode, body });
    });
    request.on('error', reject);
  });
}

async function until(condition, what) {
  const deadline = Date.now() + DEADLINE;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`waited for ${what}`);
    }
    await sleep(10);
  }
}
