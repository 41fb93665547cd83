// Debian's packages, unpacked below build/ and not installed: a Rust compiler with
// the standard library of arm64, its sources, musl, and what runs arm64 programs.
// apt checks their signatures, with lists and settings of its own.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD, must, Unavailable, unpacked } from './toolchain.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Debian 12; its security suite has the newest Rust, for building browsers. */
const BOOKWORM = ['debian-security bookworm-security', 'debian bookworm'];

/** Debian 13, for a musl that is young enough to run the Node there is for it. */
const TRIXIE = ['debian trixie'];

const RUST = [
  'rustc-web:amd64',
  'libstd-rust-web-1.96:amd64',
  'libstd-rust-web-dev:amd64',
  'libllvm22:amd64',
  'libz3-4:amd64',
];

/** What goes into one folder together, and where it is from. */
const SETS = {
  'rust-arm64-gnu': { suites: BOOKWORM, packages: [...RUST, 'libstd-rust-web-dev:arm64'] },
  'rust-sources': { suites: BOOKWORM, packages: [...RUST, 'rust-web-src'] },
  // The older one to link with. Its -dev has the empty libdl.a and the like, so that
  // glibc's are not taken.
  'musl-dev-x64': { suites: BOOKWORM, packages: ['musl:amd64', 'musl-dev:amd64'] },
  'musl-dev-arm64': { suites: BOOKWORM, packages: ['musl:arm64', 'musl-dev:arm64'] },
  'musl-1.2.5-x64': { suites: TRIXIE, packages: ['musl:amd64'] },
  'musl-1.2.5-arm64': { suites: TRIXIE, packages: ['musl:arm64'] },
  'qemu-arm64': {
    suites: BOOKWORM,
    packages: [
      'qemu-user-static:amd64',
      'libc6:arm64',
      'libgcc-s1:arm64',
      'libstdc++6:arm64',
      'libatomic1:arm64',
    ],
  },
};

/**
 * The folder with a set's packages, downloaded once.
 * @param {keyof typeof SETS} name
 * @throws {Unavailable} where this machine cannot have them
 */
export function debian(name) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Unavailable(`Debian's tools are taken for linux x64, not ${process.arch}`);
  }
  return unpacked(name, (folder) => {
    const { suites, packages } = SETS[name];
    const apt = prepareApt(suites);
    const archives = join(folder, 'archives');
    mkdirSync(archives);
    run('apt-get', ['download', ...packages], apt, archives);
    for (const file of readdirSync(archives)) {
      must('dpkg-deb', ['-x', join(archives, file), folder], `unpacking ${file}`);
    }
    rmSync(archives, { recursive: true });
  });
}

/**
 * The libraries of musl 1.2.3: its libc, and a folder with empty archives for what
 * else programs link.
 * @param {import('./targets.mjs').Target} target
 */
export function musl({ cpu, triple }) {
  const folder = debian(`musl-dev-${cpu}`);
  const name = triple.replace('-unknown', '');
  return { shared: join(folder, 'lib', name), empty: join(folder, 'usr/lib', name) };
}

/**
 * A `rustc` that finds its own libraries. Its standard libraries are Debian's too,
 * so cargo's own compiler cannot stand in for it.
 * @param {'rust-arm64-gnu' | 'rust-sources'} name
 */
export function debianRustc(name) {
  const folder = debian(name);
  const script = join(folder, 'rustc');
  const libraries = join(folder, 'usr/lib/x86_64-linux-gnu');
  const program = join(folder, 'usr/bin/rustc');
  writeFileSync(script, `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec '${program}' "$@"\n`, {
    mode: 0o755,
  });
  must(script, ['-vV'], "Debian's rustc");
  return script;
}

/** Settings under which apt touches nothing of the system's; fresh lists. */
function prepareApt(suites) {
  if (!existsSync(KEYRING) || spawnSync('apt-get', ['--version']).status !== 0) {
    throw new Unavailable('needs Debian or Ubuntu: apt-get and debian-archive-keyring');
  }
  const folder = join(BUILD, 'apt');
  rmSync(folder, { recursive: true, force: true });
  for (const each of ['state/lists/partial', 'cache/archives/partial', 'none']) {
    mkdirSync(join(folder, each), { recursive: true });
  }
  writeFileSync(join(folder, 'status'), '');
  writeFileSync(join(folder, 'debian.sources'), suites.map(sourceOf).join('\n'));
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': join(folder, 'debian.sources'),
    'Dir::Etc::sourceparts': join(folder, 'none'),
    'APT::Architecture': 'amd64',
    'Acquire::Languages': 'none',
    // Where it is root, it would change to a user who may not read this folder.
    'APT::Sandbox::User': '',
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} "${value}";`);
  const file = join(folder, 'apt.conf');
  writeFileSync(file, `${lines.join('\n')}\nAPT::Architectures { "amd64"; "arm64"; };\n`);
  run('apt-get', ['update'], file, folder);
  return file;
}

/** @param {string} suite with its archive before it */
function sourceOf(suite) {
  const [archive, name] = suite.split(' ');
  return [
    'Types: deb',
    `URIs: http://deb.debian.org/${archive}`,
    `Suites: ${name}`,
    'Components: main',
    'Architectures: amd64 arm64',
    `Signed-By: ${KEYRING}`,
    '',
  ].join('\n');
}

function run(command, args, config, cwd) {
  const env = { ...process.env, APT_CONFIG: config };
  must(command, ['-q', ...args], `${command} ${args[0]}`, { cwd, env });
}
