import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';

/** How long the search may take. */
const SEARCH_MS = 10_000;

/**
 * Parses a module and what it imports, one after the other, and runs nothing. Of the first
 * that is no JavaScript, Node prints file, line and source as the process ends.
 */
const SEARCH = String.raw`
const { readFile } = await import('node:fs/promises');
const { createRequire, stripTypeScriptTypes } = await import('node:module');
const { SourceTextModule } = await import('node:vm');
const { fileURLToPath, pathToFileURL } = await import('node:url');
const queue = [process.argv[1]];
const seen = new Set(queue);
const target = (specifier, from) => {
  if (/^(?:\.{0,2}[/]|file:)/.test(specifier)) return new URL(specifier, from).href;
  if (/^(?:node|data|https?):/.test(specifier)) return undefined;
  try {
    const file = createRequire(from).resolve(specifier);
    return file.startsWith('/') ? pathToFileURL(file).href : undefined;
  } catch {
    return undefined;
  }
};
for (const url of queue) {
  const path = new URL(url).pathname;
  if (/\.(?:cjs|cts|json|node|wasm)$/.test(path)) continue;
  let source;
  try {
    source = await readFile(fileURLToPath(url), 'utf8');
  } catch {
    continue;
  }
  if (/\.m?ts$/.test(path) && stripTypeScriptTypes !== undefined) {
    source = stripTypeScriptTypes(source);
  }
  let module;
  try {
    module = new SourceTextModule(source, { identifier: url });
  } catch (error) {
    // A CommonJS file may be no module.
    if (/\bimport\b|\bexport\b/.test(source) || path.endsWith('.mjs')) process.nextTick(() => { throw error; });
    else continue;
    break;
  }
  const specifiers = module.moduleRequests?.map((request) => request.specifier) ?? module.dependencySpecifiers;
  for (const specifier of specifiers) {
    const next = target(specifier, url);
    if (next !== undefined && !seen.has(next)) {
      seen.add(next);
      queue.push(next);
    }
  }
}
`;

/**
 * Where the syntax error is that keeps a module from being loaded, as Node shows it for a
 * program: file, line and source. Importing tells only what it is.
 * @returns `undefined` where it is not found.
 */
export function placeOfSyntaxError(file: string): Promise<string | undefined> {
  const flags = ['--no-warnings', '--experimental-vm-modules', '--input-type=module'];
  const env = { ...process.env, NODE_OPTIONS: '', FORCE_COLOR: '0' };
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...flags, '-e', SEARCH, pathToFileURL(file).href], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: SEARCH_MS,
      env,
    });
    let said = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      said += text;
    });
    child.on('error', () => resolve(undefined));
    child.on('close', () => resolve(placeIn(said)));
  });
}

/** File, line, source and error, without the stack of the search. */
function placeIn(said: string): string | undefined {
  const [place] = /^(?:file:\/\/|\/)\S.*:\d+\n[\s\S]*?^SyntaxError.*$/m.exec(said) ?? [];
  return place;
}
