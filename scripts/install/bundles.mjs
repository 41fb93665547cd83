// What bundlers and tracers make of a program that uses reactor-rs, in the ways in which their
// users configure them. Each result is run by itself.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import { nodeFileTrace } from '@vercel/nft';
import { build } from 'esbuild';
import { rollup } from 'rollup';

/** The program, in the formats that bundlers take, and the module that its threads serve. */
const BODY = `
async function main() {
  const at = { port: 0, hostname: '127.0.0.1' };
  const local = await serve({
    ...at,
    routes: { '/': 'static' },
    fetch: async (request) => new Response((await request.formData()).get('field')),
  });
  const form = new FormData();
  form.set('field', 'handler');
  const answers = [await fetch(local.url), await fetch(new URL('/x', local.url), { method: 'POST', body: form })];
  await local.stop();
  const module = join(dirname(process.argv[1]), 'handlers.mjs');
  const threads = await serve({ ...at, module, jsThreads: 2 });
  answers.push(await fetch(threads.url));
  console.log(...(await Promise.all(answers.map((answer) => answer.text()))));
  await threads.stop();
  const node = createServer((req, res) => res.end('node')).listen(0, '127.0.0.1', async () => {
    console.log(await (await fetch('http://127.0.0.1:' + node.address().port)).text());
    node.close();
  });
}
main().catch((error) => {
  console.log(error);
  process.exitCode = 1;
});
`;

export const FILES = {
  'app.mjs': `import { dirname, join } from 'node:path';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
${BODY}`,
  'app.cjs': `const { dirname, join } = require('node:path');
const { serve } = require('reactor-rs');
const { createServer } = require('reactor-rs/node');
${BODY}`,
  'handlers.mjs': `export default () => new Response('thread');\n`,
};

/** What each of them prints. */
export const PRINTED = 'static handler thread\nnode\n';

/** An ES module has no `require`; this is how esbuild's users give it one. */
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;

/**
 * Each makes something of the application in `from`, in the folder `to`, and says which file
 * is to be run. `isWhole` says that the result needs nothing from where it was made.
 *
 * @type {{ name: string, isWhole?: boolean, make(from: string, to: string): Promise<string> }[]}
 */
export const BUNDLES = [
  {
    name: 'esbuild, an ES module, the binding outside',
    make: (from, to) =>
      esbuild(from, to, { format: 'esm', banner: { js: REQUIRE }, external: ['@reactor-rs/*'] }),
  },
  {
    name: 'esbuild, an ES module without a banner',
    make: (from, to) => esbuild(from, to, { format: 'esm', external: ['@reactor-rs/*'] }),
  },
  {
    name: 'esbuild, CommonJS, the binding outside',
    make: (from, to) => esbuild(from, to, { format: 'cjs', external: ['@reactor-rs/*'] }),
  },
  {
    name: 'esbuild, CommonJS from require, minified',
    make: (from, to) =>
      esbuild(from, to, { format: 'cjs', minify: true, external: ['@reactor-rs/*'] }, 'app.cjs'),
  },
  {
    name: 'esbuild, with the binding and the thread',
    isWhole: true,
    make: (from, to) =>
      esbuild(from, to, {
        entryPoints: { app: join(from, 'app.mjs'), thread: 'reactor-rs/thread' },
        format: 'esm',
        outExtension: {},
        banner: { js: REQUIRE },
        loader: { '.node': 'copy' },
      }),
  },
  {
    name: 'esbuild, in chunks, with the binding, the thread and the extension .mjs',
    isWhole: true,
    make: (from, to) =>
      esbuild(from, to, {
        entryPoints: { app: join(from, 'app.mjs'), thread: 'reactor-rs/thread' },
        format: 'esm',
        splitting: true,
        minify: true,
        banner: { js: REQUIRE },
        loader: { '.node': 'copy' },
      }),
  },
  {
    name: 'rollup, an ES module',
    make: (from, to) => roll(from, to, 'es'),
  },
  {
    name: 'rollup, CommonJS',
    make: (from, to) => roll(from, to, 'cjs'),
  },
  {
    name: '@vercel/nft',
    isWhole: true,
    make: (from, to) => trace(from, to, 'app.mjs'),
  },
  {
    name: '@vercel/nft, from require',
    isWhole: true,
    make: (from, to) => trace(from, to, 'app.cjs'),
  },
];

/** @param {import('esbuild').BuildOptions} options */
async function esbuild(from, to, options, entry = 'app.mjs') {
  const extension = options.format === 'cjs' ? '.cjs' : '.mjs';
  const { warnings } = await build({
    absWorkingDir: from,
    entryPoints: { app: join(from, entry) },
    outdir: to,
    outExtension: { '.js': extension },
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    ...options,
  });
  if (warnings.length > 0) {
    throw new Error(warnings.map(({ text }) => text).join('\n'));
  }
  if (options.outExtension !== undefined) {
    // Node takes thread.js for CommonJS, unless the folder says what it is.
    writeFileSync(join(to, 'package.json'), '{ "type": "module" }\n');
  }
  cpSync(join(from, 'handlers.mjs'), join(to, 'handlers.mjs'));
  return join(to, `app${options.outExtension === undefined ? extension : '.js'}`);
}

async function roll(from, to, format) {
  const warnings = [];
  const bundle = await rollup({
    input: join(from, 'app.mjs'),
    external: [/^node:/, /^@reactor-rs\//],
    plugins: [nodeResolve({ exportConditions: ['node'], preferBuiltins: true }), commonjs()],
    onwarn: (warning) => warnings.push(warning.message),
  });
  const file = join(to, format === 'cjs' ? 'app.cjs' : 'app.mjs');
  await bundle.write({ file, format, inlineDynamicImports: true });
  await bundle.close();
  const unresolved = warnings.filter((text) => /resolve|missing/i.test(text));
  if (unresolved.length > 0) {
    throw new Error(unresolved.join('\n'));
  }
  cpSync(join(from, 'handlers.mjs'), join(to, 'handlers.mjs'));
  return file;
}

/** Copies what the tracer has found, and nothing else. */
async function trace(from, to, entry) {
  const files = [join(from, entry), join(from, 'handlers.mjs')];
  const { fileList, warnings } = await nodeFileTrace(files, { base: from });
  for (const file of fileList) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(from, file), join(to, file), { verbatimSymlinks: true });
  }
  const failed = [...warnings].map(({ message }) => message);
  const missing = failed.filter((text) => !isForAnotherPlatform(text));
  if (missing.length > 0) {
    throw new Error(missing.join('\n'));
  }
  return join(to, entry);
}

function isForAnotherPlatform(text) {
  return text.includes('@reactor-rs/binding-');
}
