// THIRD-PARTY-LICENSES.md: the crates that are compiled into the binding and the table that
// scripts/mime.mjs makes, with their licences. `npm run licences` writes it; the tests see that it is current.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, SetupError } from '../setup.mjs';
import { NOTICES } from './stage.mjs';

/** As in deny.toml: none of them asks more of a user than to keep its text. */
export const ALLOWED = ['MIT', 'Apache-2.0', 'ISC', 'BSD-3-Clause', 'Zlib'];

const CRATES_IO = 'registry+https://github.com/rust-lang/crates.io-index';

/**
 * The crates of the binding: what is linked into it, not what builds or tests it.
 * @returns {{ name: string, version: string, license: string, source: string, repository: string | null, folder: string }[]}
 */
export function bundledCrates() {
  const args = ['metadata', '--format-version=1', '--locked'];
  const { status, stdout, stderr, error } = spawnSync(
    'cargo',
    [...args, '--filter-platform=x86_64-unknown-linux-gnu'],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0) {
    throw new SetupError(`cargo metadata failed: ${error?.message ?? stderr}`);
  }
  const { packages, resolve } = JSON.parse(stdout);
  const byId = new Map(packages.map((each) => [each.id, each]));
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const reached = new Set();
  const visit = (id) => {
    const isMacro = byId.get(id).targets.some(({ kind }) => kind.includes('proc-macro'));
    if (isMacro || reached.has(id)) {
      return;
    }
    reached.add(id);
    for (const { pkg, dep_kinds } of nodes.get(id).deps) {
      if (dep_kinds.some(({ kind }) => kind === null)) {
        visit(pkg);
      }
    }
  };
  visit(packages.find(({ name, source }) => name === 'reactor-rs' && source === null).id);
  return [...reached]
    .map((id) => byId.get(id))
    .filter(({ source }) => source !== null)
    .map(({ name, version, license, source, repository, manifest_path }) => ({
      name,
      version,
      license: license.replaceAll('/', ' OR '),
      source,
      repository,
      folder: dirname(manifest_path),
    }))
    .sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
}

/** Those that are not under a licence of the list, or not from crates.io. */
export function refusedCrates(crates) {
  return crates.filter(({ license, source }) => {
    const isAllowed = license
      .replace(/[()]/g, '')
      .split(/ AND /)
      .every((part) => part.split(' OR ').some((each) => ALLOWED.includes(each.trim())));
    return !isAllowed || source !== CRATES_IO;
  });
}

/** The package whose table of media types is compiled into the binding. */
function mimeDb() {
  const folder = join(ROOT, 'node_modules/mime-db');
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return { name, version, license, repository: 'https://github.com/jshttp/mime-db', folder };
}

/** The file's text. */
export function notices(crates) {
  const parts = [...crates, mimeDb()].sort((a, b) => a.name.localeCompare(b.name));
  const texts = new Map();
  for (const crate of parts) {
    const text = licenceOf(crate);
    texts.set(text, [...(texts.get(text) ?? []), `${crate.name} ${crate.version}`]);
  }
  const rows = parts.map(
    ({ name, version, license, repository }) =>
      `| ${repository ? `[${name}](${repository})` : name} | ${version} | ${license} |`,
  );
  return [
    '# Third-party licences',
    '',
    'The native binding of reactor-rs has these crates compiled into it, the data of the npm package',
    'mime-db, and the Rust standard library',
    '([MIT or Apache-2.0](https://github.com/rust-lang/rust/blob/main/COPYRIGHT)). Where a crate may be',
    'had under several licences, this is the text of the one that it is used under.',
    '',
    '| name | version | licence |',
    '| --- | --- | --- |',
    ...rows,
    ...[...texts].flatMap(([text, names]) => [
      '',
      `## ${names.join(', ')}`,
      '',
      '```',
      text,
      '```',
    ]),
    '',
  ].join('\n');
}

/** MIT's text where there is a choice. */
function licenceOf({ name, version, license, folder }) {
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|unlicense)/i.test(file));
  const rank = (file) => (/mit/i.test(file) ? 0 : /apache/i.test(file) ? 2 : 1);
  files.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (files.length === 0) {
    return `${name} ${version} has no licence file; its manifest says ${license}.`;
  }
  // Where several licences hold at once, their texts do.
  const shown = / AND /.test(license) ? files : files.slice(0, 1);
  const texts = shown.map((file) => readFileSync(join(folder, file), 'utf8'));
  return texts.map((text) => text.replaceAll('\r', '').trim()).join('\n\n');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(join(ROOT, NOTICES), notices(bundledCrates()));
}
