// A simulation of loops, lanes and clients, in nanoseconds. A thread with work takes all that waits
// at once, as a turn does, and is busy until it has handed on the results.

/** A loop looks at the lanes' loads this often, and counts its own requests meanwhile. */
const LOOK = 1_000_000;
/** Events of one turn. */
const MOST = 256;

export class Queues {
  #now = 0;
  #events = new Heap();
  #loops;
  #lanes;
  #done = 0;
  #handovers = 0;
  #wakes = 0;
  #random = 12345;

  constructor(threads, costs, policy) {
    this.threads = threads;
    this.costs = costs;
    this.policy = policy;
    const thread = () => ({ waiting: [], runs: false, rests: true, busy: 0 });
    this.#loops = Array.from({ length: threads }, (_, index) => {
      const loads = new Array(threads).fill(0);
      return { ...thread(), index, replies: [], loads, lookedAt: -LOOK };
    });
    this.#lanes = Array.from({ length: threads }, () => ({ ...thread(), load: 0 }));
    for (let client = 0; client < threads * costs.connections; client++) {
      const place = policy.even ? client % threads : Math.floor(this.#chance() * threads);
      const loop = this.#loops[place];
      this.#at(this.#chance() * costs.round, () => this.#arrives(loop));
    }
  }

  run() {
    const end = this.costs.seconds * 10_000_000;
    while (this.#now < end) {
      const [time, act] = this.#events.pop();
      this.#now = time;
      act();
    }
    const mean = (threads) => threads.reduce((sum, { busy }) => sum + busy, 0) / threads.length;
    return {
      threads: this.threads,
      rate: (this.#done * 1e9) / this.#now,
      loops: mean(this.#loops) / this.#now,
      busiest: Math.max(...this.#loops.map(({ busy }) => busy)) / this.#now,
      lanes: mean(this.#lanes) / this.#now,
      handovers: this.#handovers / this.#done,
      wakes: this.#wakes / this.#done,
    };
  }

  /** The same numbers in every run. */
  #chance() {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random / 2 ** 32;
  }

  #at(delay, act) {
    this.#events.push([this.#now + delay, act]);
  }

  #instructions(count) {
    return (count * this.costs.instruction) / 1000;
  }

  #arrives(loop) {
    loop.waiting.push(loop);
    // The kernel wakes it; no thread of the server pays.
    this.#starts(loop, () => this.#turnOfLoop(loop));
  }

  /** Lets a thread begin a turn unless it is in one. Returns whether it rested. */
  #starts(thread, turn) {
    if (thread.runs) return false;
    const rested = thread.rests;
    [thread.runs, thread.rests] = [true, false];
    this.#at(rested ? this.costs.woken : 0, turn);
    return rested;
  }

  /** The thread is busy for so long, then hands on. */
  #works(thread, time, then) {
    thread.busy += time;
    this.#at(time, () => {
      thread.runs = false;
      then();
    });
  }

  #turnOfLoop(loop) {
    const { costs } = this;
    const requests = loop.waiting.splice(0, MOST);
    const replies = loop.replies.splice(0);
    const targets = new Map();
    for (const _ of requests) {
      const lane = this.#choose(loop);
      targets.set(lane, (targets.get(lane) ?? 0) + 1);
      loop.loads[lane] += 1;
    }
    for (const lane of replies) loop.loads[lane] = Math.max(0, loop.loads[lane] - 1);
    const woken = [...targets.keys()].filter((lane) => this.#lanes[lane].rests).length;
    const time =
      costs.wait +
      this.#instructions(costs.turn) +
      requests.length * (this.#instructions(costs.loop) + costs.system) +
      (requests.length * costs.pair * costs.move) / 2 +
      targets.size * costs.handover * costs.move +
      woken * costs.wake;
    this.#handovers += targets.size;
    this.#wakes += woken;
    this.#works(loop, time, () => {
      for (const [index, count] of targets) {
        const lane = this.#lanes[index];
        lane.load += count;
        for (let i = 0; i < count; i++) lane.waiting.push(loop);
        this.#starts(lane, () => this.#turnOfLane(lane, index));
      }
      this.#done += replies.length;
      for (const _ of replies) this.#at(costs.round, () => this.#arrives(loop));
      this.#goesOn(loop, () => this.#turnOfLoop(loop));
    });
  }

  #turnOfLane(lane, index) {
    const { costs } = this;
    const requests = lane.waiting.splice(0, MOST);
    const loops = new Set(requests);
    const woken = [...loops].filter((loop) => loop.rests).length;
    const time =
      this.#instructions(costs.turn) +
      requests.length * (this.#instructions(costs.lane) + costs.handler) +
      (requests.length * costs.pair * costs.move) / 2 +
      loops.size * costs.handover * costs.move +
      woken * costs.wake;
    this.#handovers += loops.size;
    this.#wakes += woken;
    this.#works(lane, time, () => {
      lane.load -= requests.length;
      for (const loop of requests) loop.replies.push(index);
      for (const loop of loops) this.#starts(loop, () => this.#turnOfLoop(loop));
      this.#goesOn(lane, () => this.#turnOfLane(lane, index));
    });
  }

  #goesOn(thread, turn) {
    if (thread.runs) return;
    if (thread.waiting.length > 0 || thread.replies?.length > 0) {
      this.#starts(thread, turn);
    } else {
      thread.rests = true;
    }
  }

  /** As `Lanes::choose` in crates/server/src/dispatch/lane/side.rs does. */
  #choose(loop) {
    if (this.#now - loop.lookedAt >= LOOK) {
      loop.lookedAt = this.#now;
      loop.loads = this.#lanes.map(({ load }) => load);
    }
    const { loads } = loop;
    const least = loads.indexOf(Math.min(...loads));
    if (!this.policy.prefers) return least;
    const isNear = loads[loop.index] <= loads[least] + Math.floor(loads[least] / 2);
    return isNear ? loop.index : least;
  }
}

/** Events by time; of two at the same time, the one that was put in first. */
class Heap {
  #items = [];
  #count = 0;

  push([time, act]) {
    const items = this.#items;
    const item = { time, act, count: this.#count++ };
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(item, items[parent])) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  pop() {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (items.length > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= items.length) break;
        if (child + 1 < items.length && isBefore(items[child + 1], items[child])) child++;
        if (!isBefore(items[child], last)) break;
        items[at] = items[child];
        at = child;
      }
      items[at] = last;
    }
    return [first.time, first.act];
  }
}

function isBefore(a, b) {
  return a.time < b.time || (a.time === b.time && a.count < b.count);
}
