// A contender that runs and whose answer has been checked.

import { Failure } from './failure.mjs';
import { ask } from './http.mjs';
import { questions, spell } from './questions.mjs';
import { fill, freePort, start } from './server.mjs';

/**
 * Starts a contender on the first free port from `firstPort` up and checks its
 * answer, alone and pipelined.
 */
export async function startChecked(name, { command, asks, ownHead }, firstPort) {
  const port = await freePort(firstPort);
  const server = await start(command, port);
  const question = questions[asks];
  const answer = await check(name, port, question);
  const url = `http://127.0.0.1:${port}${question.path}`;
  return {
    ...server,
    name,
    question,
    port,
    ownHead,
    target: { url, body: question.body },
    answer,
    command: fill(command, port).join(' '),
  };
}

async function check(name, port, question) {
  const count = 16;
  const request = spell(question);
  const [alone, ...others] = [
    ...(await ask(port, request)),
    ...(await ask(port, request.repeat(count), count)),
  ];
  for (const response of [alone, ...others]) {
    if (response?.status !== 200 || response.body !== question.expected) {
      throw new Failure(`${name} answers ${question.path} with ${JSON.stringify(response)}`);
    }
  }
  if (others.length !== count) {
    throw new Failure(`${name} answers ${others.length} of ${count} pipelined requests`);
  }
  return { length: alone.length, head: alone.head };
}
