// A machine as a user might have it: a home with empty caches, the folder of one
// application, and on PATH Node, a shell and the package managers, no compiler.

import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What package managers run besides Node. */
const TOOLS = ['sh', 'env', 'uname', 'sed', 'dirname', 'basename'];

/** A request to anywhere but loopback goes to a port where nobody listens. */
const NO_NETWORK = 'http://127.0.0.1:9';

export class World {
  /**
   * @param {string} folder
   * @param {{ npmrc: string, url: string }} registry
   * @param {Record<string, string>} managers scripts by the names of their commands
   */
  constructor(folder, registry, managers) {
    this.folder = folder;
    this.bin = join(folder, 'bin');
    this.home = join(folder, 'home');
    this.registry = registry;
    mkdirSync(this.bin, { recursive: true });
    mkdirSync(this.home);
    symlinkSync(process.execPath, join(this.bin, 'node'));
    for (const tool of TOOLS) {
      const found = ['/bin', '/usr/bin'].map((at) => join(at, tool)).find((at) => existsSync(at));
      if (found !== undefined) {
        symlinkSync(found, join(this.bin, tool));
      }
    }
    const npm = npmFolder();
    this.#addCommand('npm', join(npm, 'npm-cli.js'));
    this.#addCommand('npx', join(npm, 'npx-cli.js'));
    for (const [name, script] of Object.entries(managers)) {
      this.#addCommand(name, script);
    }
    writeFileSync(join(this.home, '.npmrc'), registry.npmrc);
  }

  #addCommand(name, script) {
    const file = join(this.bin, name);
    writeFileSync(file, `#!/bin/sh\nexec node '${script}' "$@"\n`);
    chmodSync(file, 0o755);
  }

  /** An empty application, with files. */
  application(name, files = {}) {
    const folder = join(this.folder, name);
    mkdirSync(folder);
    for (const [file, text] of Object.entries({ 'package.json': '{}\n', ...files })) {
      writeFileSync(join(folder, file), text);
    }
    return folder;
  }

  /** Nothing of this process's own environment comes along. */
  get environment() {
    return {
      PATH: this.bin,
      HOME: this.home,
      LANG: 'C.UTF-8',
      http_proxy: NO_NETWORK,
      https_proxy: NO_NETWORK,
      HTTP_PROXY: NO_NETWORK,
      HTTPS_PROXY: NO_NETWORK,
      no_proxy: '127.0.0.1,localhost',
      NO_PROXY: '127.0.0.1,localhost',
      YARN_NPM_REGISTRY_SERVER: this.registry.url,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      // What has just been published is refused for a day otherwise.
      YARN_NPM_MINIMAL_AGE_GATE: '0',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    };
  }

  /** Starts a command; its output is in `stdout` and `stderr`. */
  start(cwd, command, args, { env = {} } = {}) {
    const child = spawn(join(this.bin, command), args, {
      cwd,
      env: { ...this.environment, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = { child, stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) {
      child[stream].setEncoding('utf8').on('data', (text) => {
        running[stream] += text;
      });
    }
    running.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    return running;
  }

  /** Runs a command to its end, at most two minutes. */
  async run(cwd, command, args, options) {
    const running = this.start(cwd, command, args, options);
    const timer = setTimeout(() => running.child.kill('SIGKILL'), 120_000);
    const end = await running.ended;
    clearTimeout(timer);
    return { ...end, stdout: running.stdout, stderr: running.stderr };
  }

  /** Runs a command that must succeed, to what it prints. */
  async must(cwd, command, args, options) {
    const { code, signal, stdout, stderr } = await this.run(cwd, command, args, options);
    if (code !== 0) {
      throw new Error(`${command} ${args.join(' ')}: ${signal ?? code}\n${stdout}${stderr}`);
    }
    return stdout;
  }
}

/** The npm that came with this Node, or that is on PATH. */
function npmFolder() {
  const candidates = [
    process.env.npm_execpath && dirname(process.env.npm_execpath),
    join(dirname(process.execPath), '../lib/node_modules/npm/bin'),
    '/usr/share/nodejs/npm/bin',
  ];
  const found = candidates.find((folder) => folder && existsSync(join(folder, 'npx-cli.js')));
  if (found === undefined) {
    throw new Error(`npm's own scripts were not found beside ${process.execPath}`);
  }
  return found;
}

/** The platform packages that an application has got, wherever its manager put them. */
export function bindingsIn(folder) {
  const places = [join(folder, 'node_modules/@reactor-rs')];
  const pnpm = join(folder, 'node_modules/.pnpm');
  if (existsSync(pnpm)) {
    places.push(...readdirSync(pnpm).map((name) => join(pnpm, name, 'node_modules/@reactor-rs')));
  }
  const names = places.filter((at) => existsSync(at)).flatMap((at) => readdirSync(at));
  return [...new Set(names)].sort();
}
