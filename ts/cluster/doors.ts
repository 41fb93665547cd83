import cluster from 'node:cluster';
import { chmodSync } from 'node:fs';
import { createServer, isIP, type Server as NetServer, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import type { NativeEndpoint, NativeOptions, NativeServer } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';

// In a worker of node:cluster the primary process listens. It gives each connection to a worker, or
// shares its socket with the workers, by `cluster.schedulingPolicy`. This is Node's own mechanism.
// So all workers have one port, also for port 0; the primary hears 'listening'; and a worker that
// ends loses no connection, since the queue is the primary's.

/** Whether this process is a worker, whose primary process listens for it. */
export function isClusterWorker(): boolean {
  return isMainThread && cluster.isWorker && process.connected;
}

/** The doors of the servers of this process. */
const doorsOfServers = new WeakMap<NativeServer, ClusterDoors>();

/** Where the primary listens for a server; `undefined` if it has no part in it. */
export function doorsOf(native: NativeServer): ClusterDoors | undefined {
  return doorsOfServers.get(native);
}

/** A listener of Node's, whose `close` is the primary's to call. */
interface Door extends NetServer {
  /** Closes it. */
  shut: () => void;
}

/** The places of a server at which the primary listens. */
export class ClusterDoors {
  readonly #doors: Door[] = [];
  #native: NativeServer | null = null;
  /** Connections that came before the engine has started. */
  #early: [socket: Socket, endpoint: number][] = [];
  #onClose = () => {};
  /** Resolves once the engine has stopped. */
  #stopped: Promise<unknown> = Promise.resolve();

  /**
   * Has the primary listen where the options say.
   * @returns the doors, with options for an engine that does not listen there itself
   * @throws {ReactorError} if the primary cannot listen
   */
  static async open(options: NativeOptions): Promise<[ClusterDoors, NativeOptions]> {
    const doors = new ClusterDoors();
    const listen: NativeEndpoint[] = [];
    try {
      for (const [index, endpoint] of options.listen.entries()) {
        const isOurs = isForPrimary(endpoint);
        listen.push(isOurs ? await doors.#open(endpoint, index, options.backlog) : endpoint);
      }
    } catch (error) {
      doors.close();
      throw error;
    }
    return [doors, { ...options, listen }];
  }

  /** Connections go to this engine. */
  start(native: NativeServer): void {
    doorsOfServers.set(native, this);
    this.#native = native;
    for (const [socket, endpoint] of this.#early.splice(0)) {
      this.#handOver(socket, endpoint);
    }
  }

  /**
   * @param onClose the primary disconnects this worker
   * @param stopped resolves once the engine has stopped; until then the worker stays connected
   */
  watch(onClose: () => void, stopped: Promise<unknown>): void {
    this.#onClose = onClose;
    this.#stopped = stopped;
    if (this.#doors.length === 0) {
      // Then nothing tells that the primary disconnects this worker but the end of the channel.
      cluster.worker?.once('disconnect', onClose);
    }
  }

  /** No connection comes from here on. Those that the primary has sent go to another worker. */
  close(): void {
    for (const door of this.#doors) {
      door.shut();
    }
    for (const [socket] of this.#early.splice(0)) {
      socket.destroy();
    }
  }

  async #open(endpoint: NativeEndpoint, index: number, backlog: number): Promise<NativeEndpoint> {
    const door = this.#door(index);
    const { unix, hostname, port, ipv6Only, unixMode, unixModeAdds } = endpoint;
    // Without a host Node listens on all addresses, as this package does for '::'.
    const host = hostname === '::' && !ipv6Only ? {} : { host: bare(hostname) };
    const mode = unixMode ?? unixModeAdds ?? 0;
    await new Promise<void>((resolve, reject) => {
      door.once('error', (error: NodeJS.ErrnoException) => reject(refusal(error, endpoint)));
      const where = unix === undefined ? { port, ...host, ipv6Only } : { path: unix };
      const readableAll = (mode & 0o444) === 0o444;
      const writableAll = (mode & 0o222) === 0o222;
      door.listen({ ...where, readableAll, writableAll, backlog }, resolve);
    });
    // A later error is one of a single connection.
    door.on('error', () => {});
    if (unix !== undefined && unixMode !== undefined) {
      chmodSync(unix, unixMode);
    }
    const address = door.address();
    return typeof address === 'object' && address !== null
      ? { ...endpoint, hostname: address.address, port: address.port, elsewhere: true }
      : { ...endpoint, elsewhere: true };
  }

  #door(endpoint: number): Door {
    const server = createServer({ pauseOnConnect: true });
    const close = server.close.bind(server);
    const door = Object.assign(server, {
      shut: () => {
        close();
      },
      // The primary disconnects this worker, and waits for the callback.
      close: (callback?: (error?: Error) => void) => {
        door.shut();
        this.#onClose();
        const done = () => callback?.();
        this.#stopped.then(done, done);
        return door;
      },
    });
    door.on('connection', (socket) => this.#handOver(socket, endpoint));
    this.#doors.push(door);
    return door;
  }

  #handOver(socket: Socket, endpoint: number): void {
    if (this.#native === null) {
      this.#early.push([socket, endpoint]);
      return;
    }
    const { fd } = (socket as unknown as { _handle: { fd?: number } | null })._handle ?? {};
    if (fd !== undefined && fd >= 0) {
      this.#native.handOver(fd, endpoint);
    }
    // The engine has a descriptor of its own. This closes no connection that it serves.
    socket.destroy();
  }
}

/**
 * Tells the primary of ports that this process has bound itself beside those of other workers. Node's
 * own servers do so by themselves.
 */
export function tellPrimary({ listen }: NativeOptions, native: NativeServer): void {
  for (const [index, { hostname: address, port }] of native.addresses().entries()) {
    if (listen[index]?.reusePort && address !== undefined) {
      const addressType = isIP(address);
      process.send?.({ cmd: 'NODE_CLUSTER', act: 'listening', addressType, address, port });
    }
  }
}

/** What workers do not share, as an example of what each may have. */
const OWN: Readonly<Record<string, string>> = {
  metrics: 'such as metrics: 9100 + cluster.worker.id',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for a program of the reader's.
  control: 'such as control: `/run/app/${cluster.worker.id}.sock`',
};

/** An error of a start, which tells workers what each of them needs for itself. */
export function errorOfWorker(error: unknown): unknown {
  const { code, option, message } = error as Error & Partial<Record<'code' | 'option', string>>;
  const own = OWN[option ?? ''];
  return own !== undefined && code === 'ERR_REACTOR_ADDRESS_IN_USE' && isClusterWorker()
    ? new ReactorError(code, `${message}; each worker of node:cluster needs its own, ${own}`, {
        cause: error,
      })
    : error;
}

/** Whether the primary is to listen at this place. */
function isForPrimary({ fd, reusePort, inherited }: NativeEndpoint): boolean {
  return fd === undefined && !reusePort && !inherited?.length;
}

/** URLs write an IPv6 address in brackets. */
function bare(hostname: string): string {
  const inner = /^\[(.*)\]$/.exec(hostname)?.[1] ?? '';
  return isIP(inner) === 6 ? inner : hostname;
}

/** The error of a listener of Node's, as the engine would tell it. */
function refusal(error: NodeJS.ErrnoException, endpoint: NativeEndpoint): ReactorError {
  const { unix, hostname, port } = endpoint;
  const isPort = unix === undefined;
  const where = isPort
    ? `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
    : `'${unix}'`;
  const [code, why] = REFUSALS[error.code ?? ''] ?? [
    isPort ? 'ERR_REACTOR_START' : 'ERR_REACTOR_SOCKET_PATH',
    error.message,
  ];
  const message = `the primary process cannot listen on ${where}: ${why}`;
  return new ReactorError(code, message, { cause: error });
}

const REFUSALS: Readonly<Record<string, readonly [ReactorError['code'], string]>> = {
  EADDRINUSE: [
    'ERR_REACTOR_ADDRESS_IN_USE',
    'the address is already in use; stop the other server or choose another one',
  ],
  EACCES: ['ERR_REACTOR_PERMISSION', 'permission denied'],
  EADDRNOTAVAIL: ['ERR_REACTOR_ADDRESS_NOT_AVAILABLE', 'this machine has no such address'],
  ENOTFOUND: ['ERR_REACTOR_HOST_NOT_FOUND', 'no address found'],
};
