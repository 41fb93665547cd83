// A contender that runs and whose answer has been checked.

import { body } from './contenders.mjs';
import { Failure } from './failure.mjs';
import { ask, get } from './http.mjs';
import { fill, freePort, start } from './server.mjs';

/**
 * Starts a contender on the first free port from `firstPort` up and checks its
 * answer, alone and pipelined.
 */
export async function startChecked(name, { command, path, ownHead }, firstPort) {
  const port = await freePort(firstPort);
  const server = await start(command, port);
  const answer = await check(name, port, path);
  const url = `http://127.0.0.1:${port}${path}`;
  return {
    ...server,
    name,
    path,
    port,
    ownHead,
    url,
    answer,
    command: fill(command, port).join(' '),
  };
}

async function check(name, port, path) {
  const count = 16;
  const [alone, ...others] = [
    ...(await ask(port, get(path))),
    ...(await ask(port, get(path).repeat(count), count)),
  ];
  for (const response of [alone, ...others]) {
    if (response?.status !== 200 || response.body !== body) {
      throw new Failure(`${name} answers GET ${path} with ${JSON.stringify(response)}`);
    }
  }
  if (others.length !== count) {
    throw new Failure(`${name} answers ${others.length} of ${count} pipelined requests`);
  }
  return { length: alone.length, head: alone.head };
}
