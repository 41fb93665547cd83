import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';

/** How long the search may take. */
const SEARCH_MS = 10_000;

/**
 * A program that parses a module and its imports, one after the other, without running them. For
 * the first syntax error Node prints file, line and source as the process ends.
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
    // A CommonJS file may not parse as a module.
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
 * Finds the syntax error that keeps a module from loading, and returns file, line and source as
 * Node prints them for a program. An import alone tells only the error.
 * @returns `undefined` if it is not found.
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

/** Takes file, line, source and error out of the output, without the stack. */
function placeIn(said: string): string | undefined {
  const [place] = /^(?:file:\/\/|\/)\S.*:\d+\n[\s\S]*?^SyntaxError.*$/m.exec(said) ?? [];
  return place;
}
