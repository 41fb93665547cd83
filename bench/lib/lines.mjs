// Which thread reads and writes which cache line, from a trace of every memory access (valgrind's
// lackey).
//
// The trace does not name threads. But compiled code uses its stack every few instructions, and
// each thread has a stack of its own. So an access belongs to the thread whose stack was used last.
// That is wrong for a handful of accesses after a switch, which come once in thousands.

const LINE = 64;

const [SPACE, NEWLINE, COMMA] = [0x20, 0x0a, 0x2c];
const [LOAD, STORE, MODIFY] = [...'LSM'].map((letter) => letter.charCodeAt(0));

/**
 * Follows a trace. Each thread is taken to run on a core of its own, with a cache without end. A
 * line moves when a thread writes what others have had since its last write, or reads what
 * another has written.
 */
export class Lines {
  /** Line → what is known of it. */
  lines = new Map();
  /** Accesses followed. */
  accesses = 0;
  #stacks;
  #thread = -1;
  #rest = Buffer.alloc(0);

  /** @param stacks the ranges of addresses, in hexadecimal: `from-to`, a thread each */
  constructor(stacks) {
    this.#stacks = stacks.map((range) => range.split('-').map((end) => Number.parseInt(end, 16)));
  }

  get threads() {
    return this.#stacks.length;
  }

  /** Takes the next part of the trace. */
  push(chunk) {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, at);
      if (end < 0) break;
      // " S 1ffeffe7e0,8"; instructions begin with "I", valgrind's own words with "=".
      const kind = bytes[at + 1];
      if (bytes[at] === SPACE && (kind === LOAD || kind === STORE || kind === MODIFY)) {
        this.#access(kind !== LOAD, hex(bytes, at + 3));
      }
      at = end + 1;
    }
    this.#rest = bytes.subarray(at);
  }

  #access(writes, address) {
    this.accesses++;
    const stack = this.#stacks.findIndex(([from, to]) => address >= from && address < to);
    if (stack >= 0) {
      this.#thread = stack;
      return;
    }
    if (this.#thread < 0) return;
    const number = Math.floor(address / LINE);
    let line = this.lines.get(number);
    if (line === undefined) {
      line = { has: new Uint8Array(this.threads), moves: 0, writes: new Map(), reads: new Map() };
      this.lines.set(number, line);
    }
    const { has } = line;
    const counts = writes ? line.writes : line.reads;
    counts.set(this.#thread, (counts.get(this.#thread) ?? 0) + 1);
    if (writes) {
      let others = has[this.#thread] === 0;
      for (let thread = 0; thread < has.length; thread++) {
        others ||= thread !== this.#thread && has[thread] !== 0;
        has[thread] = 0;
      }
      line.moves += others ? 1 : 0;
    } else if (has[this.#thread] === 0) {
      line.moves += 1;
    }
    has[this.#thread] = 1;
  }
}

function hex(bytes, at) {
  let number = 0;
  for (let digit = bytes[at]; digit !== COMMA && digit !== undefined; digit = bytes[++at]) {
    number = number * 16 + (digit < 0x3a ? digit - 0x30 : digit - 0x57);
  }
  return number;
}

/**
 * The lines that at least three threads write often: each of the third most frequent writers'
 * writes is at least `share` of the requests that one thread has.
 */
export function written(lines, perThread, share) {
  return busiest(lines, ({ writes }) => {
    return ([...writes.values()].sort((a, b) => b - a)[2] ?? 0) >= perThread * share;
  });
}

/** The lines that more than two threads use and one writes, those that move most first. */
export function moving(lines) {
  return busiest(lines, ({ writes, reads }) => {
    return writes.size > 0 && new Set([...writes.keys(), ...reads.keys()]).size > 2;
  });
}

function busiest(lines, counts) {
  const sum = (numbers) => [...numbers.values()].reduce((all, count) => all + count, 0);
  return [...lines.lines]
    .filter(([, line]) => counts(line))
    .map(([number, { writes, reads, moves }]) => ({
      address: number * LINE,
      writers: often(writes),
      readers: often(reads),
      writes: sum(writes),
      reads: sum(reads),
      moves,
    }))
    .sort((a, b) => b.moves - a.moves);
}

/** How many of these threads are no accident; see the top. */
function often(counts) {
  const most = Math.max(0, ...counts.values());
  return [...counts.values()].filter((count) => count * 20 > most).length;
}

/** How often lines moved between threads: those of two threads, and those of more. */
export function moves(lines) {
  const sums = { pair: 0, shared: 0 };
  for (const { writes, reads, moves } of lines.lines.values()) {
    if (writes.size === 0) continue;
    const parties = new Set([...writes.keys(), ...reads.keys()]);
    if (parties.size > 2) sums.shared += moves;
    else if (parties.size === 2) sums.pair += moves;
  }
  return sums;
}
