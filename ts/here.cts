/** The counterpart of here.ts in the CommonJS build, where `import.meta` is an error. */
const url: typeof import('node:url') = require('node:url');

const { href } = url.pathToFileURL(__filename);

// @ts-expect-error CommonJS has no other form that TypeScript could not just erase
export = {
  here: href,

  /** Threads are ES modules, so the file is in the other build, or beside a bundle. */
  threadFile(): URL {
    try {
      return url.pathToFileURL(require.resolve('../dist/thread.js'));
    } catch {
      return new URL('./thread.js', href);
    }
  },

  /**
   * For tracers only. On Node 20 `@vercel/nft` does not know the condition "module-sync", by which
   * later releases of Node 20 load the other build.
   */
  otherBuild(): string[] {
    try {
      return [
        require.resolve('../dist/index.js'),
        require.resolve('../dist/node/index.js'),
        require.resolve('../dist/node/register.js'),
        require.resolve('../dist/register.js'),
      ];
    } catch {
      return [];
    }
  },
};
