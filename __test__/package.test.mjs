// The package as npm delivers it: packed, installed in an empty folder, run.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { fetch } from 'undici';
import { launch, until } from './command.mjs';

const exec = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('the tarball installs in an empty folder and runs there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-package-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));

  const packed = await exec('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(packed.stdout);
  const paths = files.map((file) => file.path);
  for (const path of [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/bin.js',
    'index.d.ts',
    'README.md',
    'LICENSE',
  ]) {
    t.true(paths.includes(path), path);
  }
  t.deepEqual(
    paths.filter((path) => /^(crates|ts|scripts|__test__|target|build)\//.test(path)),
    [],
  );
  t.is(paths.filter((path) => path.endsWith('.node')).length, 1);

  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  await exec('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${filename}`], {
    cwd: folder,
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const npx = await exec('npx', ['--no-install', 'reactor-rs', '--version'], { cwd: folder });
  t.is(npx.stdout, `${version}\n`);

  const server = launch(
    [
      '--no-install',
      'reactor-rs',
      'serve',
      '--json',
      '-H',
      '127.0.0.1',
      '-p',
      '0',
      '-i',
      '4',
      '-w',
      '8',
    ],
    { file: 'npx', cwd: folder },
  );
  t.teardown(() => server.process.kill('SIGKILL'));
  await until(() => server.stdout().includes('\n'), 'the server');
  const { url, pid } = JSON.parse(server.stdout());
  t.teardown(() => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
  });
  t.is(await (await fetch(url)).text(), 'Hello, World!');
  process.kill(pid, 'SIGTERM');
  await until(() => server.process.exitCode === 0, 'the server to end');

  writeFileSync(
    join(folder, 'app.js'),
    `import { serve } from 'reactor-rs';
    const server = await serve({ port: 0, hostname: '127.0.0.1', routes: { '/': 'from a package' } });
    console.log(await (await fetch(server.url)).text());
    await server.stop();`,
  );
  t.is((await exec(process.execPath, ['app.js'], { cwd: folder })).stdout, 'from a package\n');
});
