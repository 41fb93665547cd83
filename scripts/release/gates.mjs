// What a binary must be before anybody gets it, told from the file alone. With a
// target's name, the checks of the binary that lies in its folder in npm/.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { musl } from './debian.mjs';
import { folderNamed } from './paths.mjs';
import { check, plan, skip } from './tap.mjs';
import { binaryOf, MAX_BYTES, MAX_GLIBC, targetNamed } from './targets.mjs';
import { Unavailable } from './toolchain.mjs';

/** Libraries that are on every system with that C library. */
const LIBRARIES = {
  gnu: /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|libgcc_s\.so\.1|ld-linux-(x86-64|aarch64)\.so\.[12])$/,
  musl: /^(libc\.so|libc\.musl-(x86_64|aarch64)\.so\.1|libgcc_s\.so\.1)$/,
};

/** What Node gives: Node-API, and libuv's own API, which Node exports. */
const FROM_NODE = /^(napi|node_api|uv)_/;

/**
 * One check for each gate.
 * @param {import('./targets.mjs').Target} target
 * @param {string} [file] the binary; by default where the build puts it
 */
export async function checkBinary(target, file = binaryOf(target)) {
  const { name, libc, machine } = target;

  await check(`${name}: is for ${machine}`, () => {
    assert.match(readelf('-h', file), new RegExp(`Machine: +${machine}$`, 'm'));
  });

  await check(`${name}: at most ${MAX_BYTES} bytes`, () => {
    const { size } = statSync(file);
    assert.ok(size < MAX_BYTES, `${size} bytes`);
    return `${size} bytes`;
  });

  await check(`${name}: stripped`, () => {
    assert.doesNotMatch(readelf('-S', file), / \.symtab | \.debug_/);
  });

  await check(`${name}: names no folder of the machine that built it`, () => {
    assert.equal(folderNamed(readFileSync(file, 'latin1')), undefined);
  });

  await check(`${name}: needs only libraries of every system`, () => {
    const needed = [...readelf('-d', file).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, so]) => so);
    assert.deepEqual(
      needed.filter((so) => !LIBRARIES[libc].test(so)),
      [],
    );
    return needed.join(', ');
  });

  if (libc === 'musl') {
    await check(`${name}: takes the libc that Node has`, () => {
      assert.match(readelf('-d', file), /\(NEEDED\).*\[libc\..+\]/);
    });
  } else {
    await check(`${name}: glibc ${MAX_GLIBC} or older will do`, () => {
      const floor = glibcFloor(readelf('-V', file));
      assert.ok(compareVersions(floor, MAX_GLIBC) <= 0, `it needs glibc ${floor}`);
      return `glibc ${floor}`;
    });
  }

  // Inside the checks: what is no binary at all fails them, and ends nothing.
  const symbols = () => dynamicSymbols(readelf('--dyn-syms', file));

  await check(`${name}: shows nothing but its registration`, () => {
    const shown = symbols()
      .filter(({ isDefined }) => isDefined)
      .map((symbol) => symbol.name);
    assert.deepEqual(
      shown.filter((symbol) => !/^(_init|_fini)$/.test(symbol)),
      ['napi_register_module_v1'],
    );
  });

  // glibc's symbols have versions, musl's are told by looking into it.
  const libcSymbols = libc === 'musl' ? exportsOfMusl(target) : new Set();
  if (libcSymbols === undefined) {
    return;
  }
  await check(`${name}: asks of Node for napi_* and uv_* only`, () => {
    const unknown = symbols().filter(
      ({ isDefined, isWeak, version, name: symbol }) =>
        !isDefined &&
        !isWeak &&
        version === undefined &&
        !libcSymbols.has(symbol) &&
        !FROM_NODE.test(symbol),
    );
    assert.deepEqual(
      unknown.map((symbol) => symbol.name),
      [],
    );
    const asked = symbols().filter((symbol) => FROM_NODE.test(symbol.name));
    assert.ok(asked.length > 0, 'it asks for nothing at all');
    return `${asked.length} of them`;
  });
}

/** What musl 1.2.3 has; undefined, with a line that says so, where it cannot be had. */
function exportsOfMusl(target) {
  try {
    const library = join(musl(target).shared, 'libc.so');
    const symbols = dynamicSymbols(readelf('--dyn-syms', library));
    return new Set(symbols.filter(({ isDefined }) => isDefined).map(({ name }) => name));
  } catch (error) {
    if (!(error instanceof Unavailable)) {
      throw error;
    }
    skip(`what ${target.name} asks of musl 1.2.3`, error.message);
    return undefined;
  }
}

/** The newest version of glibc that a symbol is asked of. */
export function glibcFloor(versions) {
  const asked = [...versions.matchAll(/Name: GLIBC_([\d.]+)/g)].map(([, version]) => version);
  assert.ok(asked.length > 0, 'no symbol of glibc has a version');
  return asked.sort(compareVersions).at(-1);
}

/** Negative where `a` is the older one. */
export function compareVersions(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Out of a table as `readelf --dyn-syms -W` prints it, but for local ones. */
export function dynamicSymbols(table) {
  return [...table.matchAll(/^ +\d+: \w+ +\d+ \w+ +(GLOBAL|WEAK) +\w+ +(\w+) (\S+)/gm)].map(
    ([, binding, section, symbol]) => {
      const [name, version] = symbol.split(/@+/);
      return { name, version, isWeak: binding === 'WEAK', isDefined: section !== 'UND' };
    },
  );
}

/** In wide lines and plain English. */
export function readelf(option, file) {
  const { status, stdout, stderr, error } = spawnSync('readelf', ['-W', option, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: 'C' },
  });
  assert.equal(status, 0, `readelf (binutils) on ${file}: ${error?.message ?? stderr}`);
  return stdout;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await checkBinary(targetNamed(process.argv[2]));
  plan();
}
