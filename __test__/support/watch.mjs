// `reactor-rs serve --watch`, as a process of its own.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BIN, launch, until } from './command.mjs';
import { temporary } from './folder.mjs';

/** A folder with these files. */
export function project(t, files) {
  const folder = temporary(t);
  write(folder, { 'package.json': '{"type":"module"}', ...files });
  return folder;
}

/** Writes files of a project, in place. */
export function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** Starts `reactor-rs serve --watch --json`, whose lines are events. Does not wait for any. */
export function watching(
  t,
  folder,
  args = ['app.mjs'],
  { address = ['-H', '127.0.0.1', '-p', '0'], ...options } = {},
) {
  const child = launch([BIN, 'serve', '--json', '--watch', ...address, ...args], {
    cwd: folder,
    ...options,
  });
  t.teardown(() => child.process.kill('SIGKILL'));
  const closed = once(child.process, 'close').then(([code, signal]) => ({ code, signal }));
  let isClosed = false;
  closed.then(() => {
    isClosed = true;
  });
  const all = () =>
    child
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  let taken = 0;
  /** The next event. That a load takes long is told on a busy machine, and counts for none. */
  const any = async (name = 'an event') => {
    const skipSlow = () => {
      while (all()[taken]?.event === 'slow') {
        taken++;
      }
      return all().length > taken;
    };
    await until(() => skipSlow() || isClosed, name).catch((error) => {
      throw new Error(`${error.message}; it said ${child.stdout()} ${child.stderr()}`);
    });
    if (all().length === taken) {
      throw new Error(`serve ended before ${name}: ${child.stderr()}`);
    }
    return all()[taken++];
  };
  return {
    ...child,
    closed,
    all,
    kill: (signal) => child.process.kill(signal),
    any,
    /** The next event, which must have this name. */
    async next(name) {
      const event = await any(name);
      if (event.event !== name) {
        throw new Error(`"${name}" was to come, not ${JSON.stringify(event)}`);
      }
      return event;
    },
  };
}

/** Starts it, and waits until it listens. */
export async function watched(t, folder, args, options) {
  const server = watching(t, folder, args, options);
  const { url, port } = await server.next('listening');
  return { ...server, url, port };
}
