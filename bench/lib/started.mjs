// A contender that runs and whose answer has been checked.

import { Failure } from './failure.mjs';
import { ask as askRaw } from './http.mjs';
import { ask as askHttp2 } from './http2.mjs';
import { memory } from './proc.mjs';
import { decoded, faultOf, http2Parts, questions, requestFiles, spell } from './questions.mjs';
import { fill, freePort, start } from './server.mjs';
import { certificate } from './tls.mjs';

/** Streams of a connection while its answers are checked. */
const STREAMS = 32;

/**
 * Starts a contender for a question on the first free port from `firstPort` up and checks its
 * answer: as often as it will be asked on one connection, and that it closes it where it must.
 */
export async function startChecked(name, contender, firstPort, asks, how = {}) {
  const { depth = 16, closes, database, isSecure = false, scheme = 'http', http2 = false } = how;
  const port = await freePort(firstPort);
  const files = isSecure ? certificate() : null;
  const words = [...contender.command(asks, database), ...(files ? contender.tls(files) : [])];
  const env = {
    ...(files ? { TLS_CERT: files.cert, TLS_KEY: files.key } : {}),
    ...(http2 ? { HTTP2: '1' } : {}),
  };
  const server = await start(words, port, { env });
  const question = questions[asks];
  try {
    const answer = question.isEndless
      ? null
      : await check(name, port, question, { depth, closes, isSecure, http2 });
    return {
      ...server,
      name,
      question,
      port,
      ownHead: contender.ownHead,
      target: {
        url: `${scheme}${isSecure ? 's' : ''}://127.0.0.1:${port}${question.path}`,
        ...(http2 ? http2Parts(asks) : requestFiles(asks)),
      },
      answer,
      rssAtStart: memory(server.pid).rss,
      command: fill([...Object.entries(env).map((pair) => pair.join('=')), ...words], port)
        .join(' ')
        .trim(),
    };
  } catch (error) {
    await server.stop();
    const fault = error instanceof Failure ? error.message : `${name}: ${error.message}`;
    throw new Failure(`${fault}\n${server.said()}`.trim());
  }
}

async function check(name, port, question, how) {
  if (how.http2) return checkHttp2(name, port, question, how);
  if (question.parts !== undefined) return checkParts(name, port, question.parts, how);
  const { depth, closes, isSecure } = how;
  const request = spell(question);
  const ask = (bytes, count) => askRaw(port, bytes, count, { isSecure });
  const sets = [await ask(request)];
  if (depth > 1) sets.push(await ask(request.repeat(depth), depth));
  if (sets[1] !== undefined && sets[1].length !== depth) {
    throw new Failure(`${name} answers ${sets[1].length} of ${depth} pipelined requests`);
  }
  // Of these the server must end the connection, or the question waits in vain.
  if (closes) sets.push(await ask(spell(question, { closes: true }), Infinity));
  for (const response of sets.flat()) {
    const fault = faultOf(question, response);
    if (fault !== null) throw new Failure(`${name} answers ${question.path} with ${fault}`);
  }
  const [[alone]] = sets;
  return { length: alone.length, head: alone.head, sent: question.file && sentBy([alone]) };
}

/** As many at once on one connection as a load has. */
async function checkHttp2(name, port, question, { isSecure }) {
  const answers = await askHttp2(port, question, STREAMS, { isSecure });
  for (const answer of answers) {
    const fault = faultOf(question, answer);
    if (fault !== null) throw new Failure(`${name} answers ${question.path} with ${fault}`);
  }
  return { head: answers[0].head };
}

/** Each of several; what was sent is kept, since servers choose codings for themselves. */
async function checkParts(name, port, parts, { isSecure }) {
  const answers = [];
  for (const part of parts) {
    const [answer] = await askRaw(port, spell(part), 1, { isSecure });
    const fault = faultOf(part, answer);
    if (fault !== null) throw new Failure(`${name} answers ${part.path} with ${fault}`);
    answers.push(answer);
  }
  const length = answers.reduce((sum, answer) => sum + answer.length, 0);
  return { length, head: answers[0].head, sent: sentBy(answers) };
}

/** "12 br, 8 as they are, 432,100 bytes of bodies, 301 of the first head". */
function sentBy(answers) {
  const counts = {};
  for (const answer of answers) {
    const isPlain = decoded(answer) === answer.bytes;
    const coding = isPlain ? 'as they are' : /^content-encoding: *(\S+)/im.exec(answer.head)[1];
    counts[coding] = (counts[coding] ?? 0) + 1;
  }
  const bytes = answers.reduce((sum, answer) => sum + answer.bytes.length, 0);
  return [
    ...Object.entries(counts).map(([coding, count]) => `${count} ${coding}`),
    `${bytes.toLocaleString('en-US')} bytes of bodies`,
    `${answers[0].head.length + 4} of the first head`,
  ].join(', ');
}
