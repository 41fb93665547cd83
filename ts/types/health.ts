/** Health checks that the engine answers without JavaScript, also while a handler is stuck. */
export interface HealthOptions {
  /**
   * The path that answers 200 while the server wants clients, and 503 while it does not: it is about
   * to stop, or {@link Server.isReady} is `false`. `false` is no such path.
   * @default '/readyz'
   */
  ready?: string | false | undefined;

  /**
   * The path that answers 200 while the I/O threads work, and 503 once one has been stuck for 10 s.
   * `false` is no such path.
   * @default '/livez'
   */
  live?: string | false | undefined;

  /**
   * Seconds, 1 to 86400. A JavaScript thread that a handler has kept busy for so long counts against
   * `live` too. By default none does: a restart mends no slow handler.
   */
  handlers?: number | undefined;

  /**
   * Whether the server is ready from its start. With `false` the program sets
   * {@link Server.isReady} once it is, such as when its caches are filled.
   * @default true
   */
  isReady?: boolean | undefined;

  /**
   * Asked every 5 s whether the program is ready, such as whether its database answers. It is not
   * where this returns `false`, throws, or takes longer than 5 s. The server is not ready before the
   * first answer. A module with {@link ServeOptions.jsThreads} cannot export it; give it to `serve`.
   *
   * @example
   * await serve({ fetch, health: { check: () => database.query('SELECT 1') } });
   */
  check?: (() => unknown) | undefined;
}
