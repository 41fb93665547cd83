// gRPC on fetch handlers without a framework. It takes the definition of a service as @grpc/proto-loader
// and grpc-js have it, and one function for each method: `(message, call) => reply`. What a client
// streams is an async iterable, and so is what a function gives that streams. Its speed is that of the
// codec and the engine.

import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const UNIMPLEMENTED = 12;
const OK = { 'grpc-status': '0' };
const HEADERS = { 'content-type': 'application/grpc' };
const ZIPPED = { ...HEADERS, 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'identity,gzip' };
/** Bytes in front of each message: whether it is compressed, and its length. */
const PREFIX = 5;
/** Messages of fewer bytes are not compressed. */
const LEAST_ZIPPED = 1024;

/** What a call fails with. */
export class GrpcError extends Error {
  constructor(code, message, trailers = {}) {
    super(message);
    this.code = code;
    this.trailers = trailers;
  }
}

/**
 * A fetch handler for services.
 *
 * @param {Record<string, { definition: object, methods: Record<string, Function> }>} services
 * @param {{ most?: number }} [options] the most bytes of a message
 */
export function grpc(services, { most = 4 << 20 } = {}) {
  const handlers = new Map();
  for (const { definition, methods } of Object.values(services)) {
    for (const [name, method] of Object.entries(definition)) {
      const handle = methods[name[0].toLowerCase() + name.slice(1)];
      if (handle !== undefined) {
        handlers.set(method.path, { ...method, handle });
      }
    }
  }
  return (request) => {
    const { url } = request;
    const method = handlers.get(url.slice(url.indexOf('/', 8)));
    if (method === undefined) {
      return ended(new GrpcError(UNIMPLEMENTED, 'there is no such method'));
    }
    const call = new Call(request);
    return method.requestStream || method.responseStream
      ? streams(method, call, most)
      : answers(method, call, most);
  };
}

/** One call, as its function sees it. */
class Call {
  #signal = null;
  #headers = null;
  #trailers = null;

  constructor(request) {
    this.request = request;
  }

  /** Aborts when the client cancels, and at the deadline. */
  get signal() {
    if (this.#signal === null) {
      const { signal } = this.request;
      const left = timeoutOf(this.request.headers.get('grpc-timeout'));
      this.#signal = left === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(left)]);
    }
    return this.#signal;
  }

  /** Metadata before the reply. A method that streams sends what is in its trailers only. */
  get headers() {
    this.#headers ??= new Headers(this.isZipped ? ZIPPED : HEADERS);
    return this.#headers;
  }

  /** Metadata behind the reply. */
  get trailers() {
    this.#trailers ??= new Headers(OK);
    return this.#trailers;
  }

  get isZipped() {
    return this.request.headers.get('grpc-accept-encoding')?.includes('gzip') ?? false;
  }

  response(body) {
    const headers = this.#headers ?? (this.isZipped ? ZIPPED : HEADERS);
    return new Response(body, { headers, trailers: () => this.#trailers ?? OK });
  }

  /** Tells the fault that a call has ended with. */
  fails(error) {
    const { trailers } = this;
    for (const [name, value] of Object.entries(trailersOf(error, this.#signal))) {
      trailers.set(name, value);
    }
  }
}

/** One message, and one reply. */
async function answers({ requestDeserialize, responseSerialize, handle }, call, most) {
  try {
    const [bytes, end] = messageAt(await call.request.bytes(), 0, most, call.request);
    if (end < 0) {
      throw new GrpcError(13, 'the message is not complete');
    }
    const reply = await handle(requestDeserialize(await bytes), call);
    const frame = framed(responseSerialize(reply), call.isZipped);
    return call.response(frame instanceof Promise ? await frame : frame);
  } catch (error) {
    call.fails(error);
    return call.response(null);
  }
}

function streams({ requestStream, responseStream, ...method }, call, most) {
  const requests = messages(call.request, method.requestDeserialize, most);
  async function* replies() {
    try {
      const message = requestStream ? requests : (await requests.next()).value;
      const given = method.handle(message, call);
      if (!responseStream) {
        yield framed(method.responseSerialize(await given), call.isZipped);
        return;
      }
      for await (const reply of given) {
        yield framed(method.responseSerialize(reply), call.isZipped);
      }
    } catch (error) {
      call.fails(error);
    } finally {
      await requests.return();
    }
  }
  return call.response(replies());
}

/** The messages of a request, as they come. */
async function* messages(request, deserialize, most) {
  let pieces = [];
  let length = 0;
  let needed = PREFIX;
  for await (const piece of request.body ?? []) {
    pieces.push(piece);
    length += piece.length;
    // A large message comes in many pieces, which are put together once.
    if (length < needed) {
      continue;
    }
    const all = pieces.length === 1 ? piece : Buffer.concat(pieces, length);
    let at = 0;
    for (;;) {
      const [bytes, end] = messageAt(all, at, most, request);
      if (end < 0) {
        break;
      }
      yield deserialize(await bytes);
      at = end;
    }
    needed = sizeAt(all, at, most);
    pieces = [all.subarray(at)];
    length = all.length - at;
  }
  if (length > 0) {
    throw new GrpcError(13, 'the last message is not complete');
  }
}

/** How long the message that begins there is, with its prefix; as long as that if it is not there. */
function sizeAt(bytes, at, most) {
  if (bytes.length - at < PREFIX) {
    return PREFIX;
  }
  const length =
    bytes[at + 1] * 2 ** 24 + (bytes[at + 2] << 16) + (bytes[at + 3] << 8) + bytes[at + 4];
  if (length > most) {
    throw new GrpcError(8, `a message of ${length} bytes; it may have ${most}`);
  }
  return PREFIX + length;
}

/** The message that begins there, and where it ends; -1 if not all of it has come. */
function messageAt(bytes, at, most, request) {
  const end = at + sizeAt(bytes, at, most);
  if (end > bytes.length) {
    return [null, -1];
  }
  // protobufjs takes Buffers.
  const start = at + PREFIX;
  const message = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  return [bytes[at] === 0 ? message : unzipped(message, most, request), end];
}

async function unzipped(message, most, request) {
  const encoding = request.headers.get('grpc-encoding') ?? 'identity';
  if (encoding === 'identity') {
    throw new GrpcError(13, 'a message is compressed, and the call names no encoding');
  }
  if (encoding !== 'gzip') {
    const taken = { 'grpc-accept-encoding': ZIPPED['grpc-accept-encoding'] };
    throw new GrpcError(UNIMPLEMENTED, `messages in ${encoding} are not taken`, taken);
  }
  try {
    return await promisify(gunzip)(message, { maxOutputLength: most });
  } catch (error) {
    throw new GrpcError(error.code === 'ERR_BUFFER_TOO_LARGE' ? 8 : 13, error.message);
  }
}

/** A message with its length in front; a promise if it is to be compressed. */
function framed(message, isZipped) {
  return isZipped && message.length >= LEAST_ZIPPED
    ? promisify(gzip)(message).then((zipped) => frame(zipped, 1))
    : frame(message, 0);
}

function frame(message, flag) {
  const bytes = new Uint8Array(PREFIX + message.length);
  bytes[0] = flag;
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, PREFIX);
  return bytes;
}

/** The answer to a call that has no function. */
function ended(error) {
  return new Response(null, { headers: HEADERS, trailers: trailersOf(error, null) });
}

function trailersOf(error, signal) {
  const isLate = signal?.aborted && signal.reason?.name === 'TimeoutError';
  const code = error instanceof GrpcError ? error.code : isLate ? 4 : signal?.aborted ? 1 : 2;
  const message =
    error instanceof GrpcError ? error.message : isLate ? 'too late' : 'internal error';
  return {
    ...error.trailers,
    'grpc-status': `${code}`,
    // As gRPC escapes it: all but printable ASCII, and the percent sign.
    'grpc-message': Buffer.from(message)
      .toString('latin1')
      .replace(
        /[^ -$&-~]/g,
        (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
      ),
  };
}

const UNITS = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout`; null if there is none. */
function timeoutOf(field) {
  const [, number, unit] = /^(\d{1,8})([HMSmun])$/.exec(field ?? '') ?? [];
  return unit === undefined ? null : Math.min(Math.ceil(Number(number) * UNITS[unit]), 2 ** 31 - 1);
}
