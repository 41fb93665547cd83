// What a run needs besides the code: peers, versions of Node, a database.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { nodeVersions } from '../../scripts/node-versions.mjs';
import { SetupError, setup } from '../../scripts/setup.mjs';
import { Failure } from './failure.mjs';
import { top } from './paths.mjs';
import { freePort, start } from './server.mjs';

const PEERS = 'bench/peers';

/** Installs the peers where one is missing or has another version; nothing runs at install. */
export function installPeers() {
  const { dependencies, optionalDependencies } = read(`${PEERS}/package.json`);
  const all = Object.entries({ ...dependencies, ...optionalDependencies });
  const isThere = ([name, version]) => {
    const path = `${PEERS}/node_modules/${name}/package.json`;
    return existsSync(path) && read(path).version === version;
  };
  if (all.every(isThere)) return;
  console.error(`bench: installing the peers into ${PEERS}`);
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', PEERS];
  const { status } = spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) console.error('bench: npm failed; what is missing takes no part');
}

/** Builds the native binding and dist/ where they are not up to date. */
export function buildProject() {
  plainly(setup);
}

/** A failure of the scripts is one line here too. */
function plainly(run) {
  try {
    return run();
  } catch (error) {
    throw error instanceof SetupError ? new Failure(error.message) : error;
  }
}

/** Versions of Node, the newest last: { major, version, path }. */
export function nodes(majors) {
  const sorted = [...new Set(majors)].sort((a, b) => a - b);
  if (sorted.length === 0 || sorted.some((major) => !/^\d+$/.test(major))) {
    throw new Failure(`--node takes versions such as 24,26, not '${majors.join(',')}'`);
  }
  return plainly(() => nodeVersions(sorted)).map(({ version, path }, nth) => {
    const isOwn = path === process.execPath;
    return { major: sorted[nth], version, path: isOwn ? 'node' : relative(top, path) };
  });
}

/** The versions of the peers, as their packages say them. */
export function peerVersions() {
  const { dependencies, optionalDependencies } = read(`${PEERS}/package.json`);
  return { ...dependencies, ...optionalDependencies };
}

/** A Redis with one key, in memory only, on a port of its own. */
export async function startDatabase(firstPort) {
  const port = await freePort(firstPort);
  const words = ['redis-server', '--port', '{port}', '--bind', '127.0.0.1', '--save', ''];
  const server = await start([...words, '--appendonly', 'no'], port);
  const redis = spawnSync('redis-cli', ['-p', String(port), 'SET', 'greeting', 'Hello, World!']);
  if (redis.status !== 0) throw new Failure(`redis-cli failed: ${redis.stderr ?? redis.error}`);
  return { ...server, port };
}

function read(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
