// A private npm registry on loopback that knows no other: what is not published to
// it cannot be installed.

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/**
 * Starts verdaccio with an empty storage.
 * @param {string} folder for its storage, configuration and log
 * @param {string} program verdaccio's own script
 * @returns {Promise<{ url: string, npmrc: string, stop: () => Promise<void> }>}
 */
export async function startRegistry(folder, program) {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    [
      `storage: ${join(folder, 'storage')}`,
      `auth: { htpasswd: { file: ${join(folder, 'htpasswd')} } }`,
      `packages: { '**': { access: $all, publish: $all, unpublish: $all } }`,
      'max_body_size: 50mb',
      'web: { enable: false }',
      `log: { type: file, path: ${join(folder, 'log')}, level: http }`,
      '',
    ].join('\n'),
  );
  const args = [program, '--config', config, '--listen', `127.0.0.1:${port}`];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}/`;
  await answering(url, child);
  return {
    url,
    // npm publishes with a token only, whichever it is.
    npmrc: [
      `registry=${url}`,
      `//127.0.0.1:${port}/:_authToken=anybody`,
      'audit=false',
      'fund=false',
      'update-notifier=false',
      '',
    ].join('\n'),
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function answering(url, child) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const response = await fetch(new URL('-/ping', url)).catch(() => undefined);
    if (response?.ok) {
      return;
    }
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(`the registry does not answer at ${url}; exit code ${child.exitCode}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Verdaccio takes no 0. Somebody may take this one first; then it ends with an error. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
