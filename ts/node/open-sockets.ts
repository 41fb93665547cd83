/** Something that knows its place in a list. */
export interface Placed {
  /** The index in {@link OpenSockets}; -1 if it is not there. */
  place: number;
}

/**
 * The sockets of exchanges that are not over.
 *
 * A `Set` would do. But V8 makes a new table for it after so many additions and deletions, and the
 * old table keeps the sockets of that moment, and the new table, until a full garbage collection.
 * So most requests would survive the quick collections that should free them.
 */
export class OpenSockets<Socket extends Placed> implements Iterable<Socket> {
  readonly #sockets: Socket[] = [];

  get size(): number {
    return this.#sockets.length;
  }

  /** No-op for one that is in the list. */
  add(socket: Socket): void {
    if (socket.place < 0) {
      socket.place = this.#sockets.length;
      this.#sockets.push(socket);
    }
  }

  /** The last one takes its place. No-op for one that is not in the list. */
  delete(socket: Socket): void {
    const { place } = socket;
    if (place < 0) {
      return;
    }
    const last = this.#sockets.pop() as Socket;
    if (last !== socket) {
      this.#sockets[place] = last;
      last.place = place;
    }
    socket.place = -1;
  }

  /** The caller must not change the list meanwhile. */
  [Symbol.iterator](): Iterator<Socket> {
    return this.#sockets[Symbol.iterator]();
  }
}
