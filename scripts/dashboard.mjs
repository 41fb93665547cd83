// Makes dist/dashboard.html of dashboard/: one page with everything in it, and a policy that lets
// it run nothing else and ask nobody else. A part of set-up, with the esbuild that it has installed.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The page has at most so many bytes. */
const MOST = 60 * 1024;

async function made(file, options = {}) {
  const { outputFiles } = await build({
    entryPoints: [at(`dashboard/${file}`)],
    bundle: true,
    minify: true,
    // Chromium and Firefox of 2023, Safari 17.
    target: ['chrome111', 'firefox121', 'safari17'],
    write: false,
    logLevel: 'warning',
    ...options,
  });
  return outputFiles[0].text.trim();
}

const digest = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const script = await made('src/main.ts', { format: 'iife' });
const style = await made('style.css');
const policy = [
  "default-src 'none'",
  `script-src ${digest(script)}`,
  `style-src ${digest(style)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
const page = readFileSync(at('dashboard/index.html'), 'utf8')
  .replaceAll(/\s+/g, ' ')
  .replaceAll(/(?<=>) (?=<)| (?=\/?>)/g, '')
  // Functions, since `$` has a meaning in a text.
  .replace('POLICY', () => policy)
  .replace('<style></style>', () => `<style>${style}</style>`)
  .replace('<script></script>', () => `<script>${script}</script>`);
if (Buffer.byteLength(page) > MOST) {
  throw new Error(`the dashboard has ${Buffer.byteLength(page)} bytes, more than ${MOST}`);
}
mkdirSync(at('dist'), { recursive: true });
writeFileSync(at('dist/dashboard.html'), page);
