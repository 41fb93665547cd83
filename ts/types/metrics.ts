/** The listener of metrics, and what a program adds to its page. */
export interface MetricsOptions {
  /** Where it listens, as the short form of {@link ServeOptions.metrics} says. */
  listen?: string | number | undefined;

  /**
   * The program's own metrics, which `/metrics` has behind the server's: a `Registry` of prom-client,
   * or a function that returns the text of such a page. It is asked for each page, on the thread that
   * calls `serve`. A page waits for it at most 1 s, and never while an earlier ask is unanswered.
   * Without it a comment says why, and `reactor_program_metrics_up` is 0. The text may have 1 MiB.
   * Families that the server has too are left out, and named in a comment. A module with
   * {@link ServeOptions.jsThreads} cannot export it; give it to `serve`.
   *
   * @example
   * import client from 'prom-client';
   * await serve({ fetch, metrics: { listen: 9100, registry: client.register } });
   */
  registry?: MetricsRegistry | (() => string | Promise<string>) | undefined;
}

/** What can tell metrics in the text format of Prometheus, such as a `Registry` of prom-client. */
export interface MetricsRegistry {
  /** The metrics of this moment. */
  metrics(): string | Promise<string>;
}
