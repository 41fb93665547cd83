// A broker in this process, for tests of topics.

/** A broker, and adapters that are connected to it at once. */
export class Broker {
  isDown = false;
  /** Whether a promise of `publish` settles by itself. */
  confirms = true;
  #adapters = new Set();
  /** Settle promises of `publish`. */
  held = [];

  adapter(options) {
    const broker = this;
    const channels = new Set();
    const adapter = {
      name: 'fake',
      options,
      channels,
      events: null,
      /** What the adapter was asked, in order. */
      calls: [],
      refuses: null,
      connect(events) {
        adapter.events = events;
        broker.#adapters.add(adapter);
        if (broker.isDown) {
          events.down(new Error('no broker'));
        } else {
          events.up();
        }
      },
      subscribe(channel) {
        adapter.calls.push(`+${channel}`);
        channels.add(channel);
      },
      unsubscribe(channel) {
        adapter.calls.push(`-${channel}`);
        channels.delete(channel);
      },
      publish(channel, data) {
        if (adapter.refuses !== null) {
          return Promise.reject(adapter.refuses);
        }
        for (const other of broker.#adapters) {
          if (other.channels.has(channel)) {
            other.events.message(channel, Buffer.from(data));
          }
        }
        return broker.confirms ? undefined : new Promise((resolve) => broker.held.push(resolve));
      },
      close() {
        adapter.calls.push('close');
        broker.#adapters.delete(adapter);
      },
    };
    return adapter;
  }

  fail(error) {
    this.isDown = true;
    for (const { events } of this.#adapters) {
      events.down(error);
    }
  }

  restart() {
    this.isDown = false;
    for (const { events } of this.#adapters) {
      events.up();
    }
  }
}
