// The scripts of the release, where they must refuse. What they build and install is
// checked by `npm run check:release` and `npm run test:install`.

import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { folderNamed, NEUTRAL } from '../../scripts/release/paths.mjs';
import { hasProvenance, repositoryOf } from '../../scripts/release/provenance.mjs';
import { stage } from '../../scripts/release/stage.mjs';
import { TARGETS } from '../../scripts/release/targets.mjs';
import { temporary } from '../support/folder.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the scripts read. The binaries of the real checkout are not to be touched. */
const PARTS = [
  'bench/lib',
  'dist',
  'dist-cjs',
  'npm',
  'scripts',
  'ts',
  'CHANGELOG.md',
  'Cargo.toml',
  'LICENSE',
  'README.md',
  'THIRD-PARTY-LICENSES.md',
  'index.d.ts',
  'package.json',
];

/** A checkout of its own, in which every target has a file in the place of its binary. */
function checkout(t) {
  const root = temporary(t);
  for (const part of PARTS) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const binaries = Object.fromEntries(
    TARGETS.map(({ name }) => [name, join(root, `npm/${name}/reactor-rs.${name}.node`)]),
  );
  for (const binary of Object.values(binaries)) {
    writeFileSync(binary, 'an old binary');
  }
  return { root, binaries };
}

/** Puts shell scripts before everything else on PATH. */
function pathWith(t, scripts) {
  const path = temporary(t);
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(path, name), 0o755);
  }
  return [path, process.env.PATH].join(delimiter);
}

/** Runs a program to its end. */
function run(cwd, file, args, env = {}) {
  // Without what a CI says about itself.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(GITHUB|ACTIONS)_/.test(name),
  );
  const options = { cwd, env: { ...Object.fromEntries(inherited), ...env } };
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

/** Runs a script as on a processor that no compiler is to be had for. */
function runElsewhere(root, script, ...args) {
  const disguise = 'Object.defineProperty(process, "arch", { value: "s390x" })';
  return run(root, process.execPath, [
    '--import',
    `data:text/javascript,${disguise}`,
    join(root, 'scripts/release', script),
    ...args,
  ]);
}

for (const { name } of TARGETS) {
  test(`build:${name} fails where it cannot build, and leaves no older binary`, async (t) => {
    const { root, binaries } = checkout(t);
    const { code, stderr } = await runElsewhere(root, 'build.mjs', name);
    t.is(code, 1);
    t.regex(stderr, /^\S+ runs on linux x64 only, this is linux s390x\n$/);
    t.false(existsSync(binaries[name]));
  });

  test(`smoke:${name} fails where nothing can run it`, async (t) => {
    const { root } = checkout(t);
    const { code, stdout, stderr } = await runElsewhere(root, 'smoke.mjs', name);
    t.deepEqual([code, stdout], [1, '']);
    t.regex(stderr, /^Debian's tools are taken for linux x64, not s390x\n$/);
  });
}

test('a build in a container names the folders as one on this machine does', async (t) => {
  const { root, binaries } = checkout(t);
  const so = 'target/container/x86_64-unknown-linux-musl/release/libreactor_rs.so';
  mkdirSync(join(root, so, '..'), { recursive: true });
  const PATH = pathWith(t, { docker: `printf '%s\\n' "$@" > asked; echo new > ${so}` });
  const args = ['scripts/release/in-container.sh', 'linux-x64-musl'];
  t.is((await run(root, 'sh', args, { PATH })).code, 0);
  t.is(readFileSync(binaries['linux-x64-musl'], 'utf8'), 'new\n');
  const asked = readFileSync(join(root, 'asked'), 'utf8').split('\n');
  t.true(asked.includes(`${root}:${NEUTRAL.root}`));
  t.true(asked.includes(`CARGO_HOME=${NEUTRAL.cargo}`));
  t.true(
    asked.some((each) => /^quay\.io\/pypa\/musllinux_1_2_x86_64@sha256:[0-9a-f]{64}$/.test(each)),
  );
});

test('a build in a container that fails leaves no older binary', async (t) => {
  const { root, binaries } = checkout(t);
  const so = 'target/container/aarch64-unknown-linux-gnu/release/libreactor_rs.so';
  mkdirSync(join(root, so, '..'), { recursive: true });
  writeFileSync(join(root, so), 'an old build');
  const args = ['scripts/release/in-container.sh', 'linux-arm64-gnu'];
  const { code } = await run(root, 'sh', args, { PATH: pathWith(t, { docker: 'exit 3' }) });
  t.is(code, 3);
  t.false(existsSync(binaries['linux-arm64-gnu']));
  t.false(existsSync(join(root, so)));
});

test('the gate on folders knows those of people, runners and containers', (t) => {
  t.is(folderNamed(`panicked at ${NEUTRAL.cargo}/registry/src/a/lib.rs`), undefined);
  t.is(
    folderNamed(`${NEUTRAL.root}/crates/napi/src/lib.rs/rustc/abc/library/core/src/a.rs`),
    undefined,
  );
  for (const named of [
    '/usr/local/cargo/registry/src/a.rs',
    '/opt/ci/.cargo/registry/src/a.rs',
    '/opt/ci/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/a.rs',
    ...['root', 'home', 'work', '__w'].map((name) => `/${name}/reactor-rs/crates/a.rs`),
    `${ROOT}crates/a.rs`,
    `${homedir()}/crates/a.rs`,
  ]) {
    const found = folderNamed(`some text${named}\0\x01more`);
    t.true(found?.endsWith('a.rs..more'), `${named}: ${found}`);
  }
});

const CI = {
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'owner/name',
  ACTIONS_ID_TOKEN_REQUEST_URL: 'https://identity',
};
const REPOSITORY = 'git+https://github.com/owner/name.git';

test('provenance is stated by a CI that has an identity and names the repository', (t) => {
  t.is(repositoryOf(CI), REPOSITORY);
  t.true(hasProvenance(CI));
  t.throws(() => hasProvenance({ ...CI, ACTIONS_ID_TOKEN_REQUEST_URL: undefined }), {
    message: /"permissions: id-token: write"/,
  });
  t.throws(() => hasProvenance({ ...CI, GITHUB_REPOSITORY: undefined }), {
    message: /GITHUB_REPOSITORY, which are not set/,
  });
});

test('elsewhere there is no provenance, and no repository', (t) => {
  t.false(hasProvenance({}));
  t.is(repositoryOf({}), undefined);
});

test('every staged manifest names the repository', (t) => {
  const binary = join(temporary(t), 'binary');
  writeFileSync(binary, 'a binary');
  const staged = stage(join(temporary(t), 'stage'), {
    binaries: () => binary,
    repository: REPOSITORY,
  });
  const packages = [staged.root, ...Object.values(staged.platforms)];
  t.is(packages.length, 1 + TARGETS.length);
  for (const each of packages) {
    const { repository } = JSON.parse(readFileSync(join(each, 'package.json'), 'utf8'));
    t.deepEqual(repository, { type: 'git', url: REPOSITORY });
  }
});

for (const flags of [[], ['--publish']]) {
  test(`release ${flags} sends nothing where a binary fails its gates`, async (t) => {
    t.timeout(120_000);
    const { root } = checkout(t);
    const sent = join(root, 'sent');
    const npm = (await run(root, 'sh', ['-c', 'command -v npm'])).stdout.trim();
    const PATH = pathWith(t, {
      npm: `case $1 in pack) exec '${npm}' "$@";; esac; echo "$@" >> ${sent}`,
      // It would get musl for the gates.
      'apt-get': 'exit 1',
    });
    const { code, stdout, stderr } = await run(
      root,
      process.execPath,
      ['scripts/release/publish.mjs', ...flags],
      { PATH },
    );
    t.is(code, 1);
    t.regex(stdout, /^ok \d+ - linux-arm64-musl: its files: /m);
    t.regex(stdout, /^not ok \d+ - linux-arm64-musl: is for AArch64$/m);
    t.is(stderr, 'release: nothing is published: see above what failed or was skipped\n');
    t.false(existsSync(sent));
  });
}

test('release does not take a word that it does not know', async (t) => {
  const { code, stderr } = await run(ROOT, process.execPath, [
    'scripts/release/publish.mjs',
    '--pubish',
  ]);
  t.is(code, 2);
  t.regex(stderr, /^release: Unknown option '--pubish'/);
});

test('the lock files have the packages of every platform, which npm ci asks for', (t) => {
  for (const file of ['package-lock.json', 'scripts/install/package-lock.json']) {
    const { packages } = JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
    const isLocked = (from, name) => {
      for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
        if (packages[`${at}${at && '/'}node_modules/${name}`]) {
          return true;
        }
        if (at === '') {
          return false;
        }
      }
    };
    const missing = Object.entries(packages).flatMap(([from, { dependencies, ...more }]) =>
      Object.keys({ ...dependencies, ...more.optionalDependencies })
        .filter((name) => !isLocked(from, name))
        .map((name) => `${from}: ${name}`),
    );
    t.deepEqual(missing, [], `${file}: "npm install --package-lock-only" completes it`);
    for (const [name, { integrity, resolved }] of Object.entries(packages)) {
      t.true(name === '' || (integrity !== undefined && resolved === undefined), name);
    }
  }
});

test('the workflows take actions by the digest of their commit', (t) => {
  const at = join(ROOT, '.github/workflows');
  const used = readdirSync(at)
    .flatMap((file) => readFileSync(join(at, file), 'utf8').split('\n'))
    .filter((line) => /\buses:/.test(line));
  t.not(used.length, 0);
  for (const line of used) {
    t.regex(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d/);
  }
});
