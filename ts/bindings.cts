/**
 * The native bindings by target. Every name is written out, because bundlers (esbuild, rollup,
 * webpack) and tracers (`@vercel/nft`) follow only literal names. Each `require` has a `try` of its
 * own, which tells them that the package may be missing.
 *
 * It is CommonJS in both builds, because an ES module has no `require` that they follow.
 */

interface Binding {
  /** The path of a checkout's own build. Throws in a bundle that is an ES module. */
  local(): string;
  /** The manifest of the platform's package. */
  manifest(): Attempt;
  /** The binding that the package exports. */
  binding(): Attempt;
}

type Attempt = { readonly exports: unknown } | { readonly error: unknown };

const bindings: Readonly<Record<string, Binding>> = {
  'linux-x64-gnu': {
    local: () => `${__dirname}/../reactor-rs.linux-x64-gnu.node`,
    manifest() {
      try {
        return { exports: require('@reactor-rs/binding-linux-x64-gnu/package.json') };
      } catch (error) {
        return { error };
      }
    },
    binding() {
      try {
        return { exports: require('@reactor-rs/binding-linux-x64-gnu') };
      } catch (error) {
        return { error };
      }
    },
  },
  'linux-arm64-gnu': {
    local: () => `${__dirname}/../reactor-rs.linux-arm64-gnu.node`,
    manifest() {
      try {
        return { exports: require('@reactor-rs/binding-linux-arm64-gnu/package.json') };
      } catch (error) {
        return { error };
      }
    },
    binding() {
      try {
        return { exports: require('@reactor-rs/binding-linux-arm64-gnu') };
      } catch (error) {
        return { error };
      }
    },
  },
  'linux-x64-musl': {
    local: () => `${__dirname}/../reactor-rs.linux-x64-musl.node`,
    manifest() {
      try {
        return { exports: require('@reactor-rs/binding-linux-x64-musl/package.json') };
      } catch (error) {
        return { error };
      }
    },
    binding() {
      try {
        return { exports: require('@reactor-rs/binding-linux-x64-musl') };
      } catch (error) {
        return { error };
      }
    },
  },
  'linux-arm64-musl': {
    local: () => `${__dirname}/../reactor-rs.linux-arm64-musl.node`,
    manifest() {
      try {
        return { exports: require('@reactor-rs/binding-linux-arm64-musl/package.json') };
      } catch (error) {
        return { error };
      }
    },
    binding() {
      try {
        return { exports: require('@reactor-rs/binding-linux-arm64-musl') };
      } catch (error) {
        return { error };
      }
    },
  },
};

// @ts-expect-error CommonJS has no other form that TypeScript could not just erase
export = bindings;
