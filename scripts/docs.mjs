// `npm run docs`: the parts of README.md, ARCHITECTURE.md and docs/ that are made from their sources.
// Options come from ts/options/table.ts, ts/cli/flags.ts and the comments in
// ts/types/options.ts, those of files from ts/cli/files-flags.ts and ts/types/files.ts, errors from ts/errors/errors.ts, benchmarks from bench/results by
// scripts/benchmarks.mjs, maps of modules from scripts/imports.mjs and scripts/imports/rust.mjs.
// `--check` writes nothing, and fails where a page is not what it would write.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { benchmarkParts } from './benchmarks.mjs';
import { mapOf, PROTO, SERVER } from './imports/rust.mjs';
import { TYPESCRIPT } from './imports.mjs';
import { ROOT, setup } from './setup.mjs';

const DOCS = join(ROOT, 'docs');

/** `<!-- npm run docs: NAME -->`, what is made, `<!-- end -->`. */
const PART = /(<!-- npm run docs: (\S+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** The pages whose parts are not what their sources say, as they should be. */
export async function stalePages() {
  const parts = await makeParts();
  const stale = new Map();
  const names = readdirSync(DOCS).filter((file) => file.endsWith('.md'));
  const top = ['README.md', 'ARCHITECTURE.md'].map((name) => join(ROOT, name));
  for (const file of [...top, ...names.map((name) => join(DOCS, name))]) {
    const page = readFileSync(file, 'utf8');
    const made = page.replace(PART, (_, begin, part, end) => {
      const make = parts[part];
      if (make === undefined) {
        throw new Error(`${file} wants the part "${part}", which scripts/docs.mjs does not make`);
      }
      return `${begin}\n${make()}\n\n${end}`;
    });
    if (made !== page) {
      stale.set(file, made);
    }
  }
  return stale;
}

async function makeParts() {
  const load = (file) => import(pathToFileURL(join(ROOT, 'dist', file)));
  const options = await load('options/table.js');
  const { FLAGS: plain } = await load('cli/flags.js');
  const { TLS_FLAGS } = await load('cli/tls-flags.js');
  const { FILES_FLAGS } = await load('cli/files-flags.js');
  const FLAGS = [...plain, ...TLS_FLAGS];
  const { ERROR_CODES } = await load('errors/errors.js');
  return {
    options: () => optionsTable(readOptions(options, FLAGS)),
    'every-option': () => everyOption(readOptions(options, FLAGS)),
    'file-options': () => optionsTable(readFileOptions(FILES_FLAGS)),
    'every-file-option': () => everyOption(readFileOptions(FILES_FLAGS)),
    errors: () =>
      table(
        ['code', 'what it says'],
        Object.entries(ERROR_CODES).map(([code, text]) => [asCode(code), text]),
      ),
    modules: () => mapOf(SERVER, PROTO, TYPESCRIPT),
    ...benchmarkParts(ROOT),
  };
}

// Options.

/** What the comments of an interface say about its members, in their order. */
function membersOf(name) {
  const files = ['options', 'compress', 'listen', 'metrics', 'tls', 'websocket', 'files'].map(
    (file) => `ts/types/${file}.ts`,
  );
  const source = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(
    source,
  );
  if (body === null) {
    throw new Error(`${files.join(', ')} have no interface ${name}`);
  }
  const member = /^ {2}\/\*\*([\s\S]*?)\*\/\n {2}(?:readonly )?(\w+)\??:\s([\s\S]*?);$/gm;
  return [...body[1].matchAll(member)].map(([, comment, member, type]) => ({
    name: member,
    type: type.replace(/\s+/g, ' ').replace(/^ ?\| | \| undefined$/g, ''),
    text: comment.replace(/^ *\* ?/gm, '').trim(),
  }));
}

/** Options whose members are options of their own. */
const NESTED = {
  limits: 'Limits',
  timeouts: 'Timeouts',
  accessLog: 'AccessLogOptions',
  compress: 'CompressOptions',
  metrics: 'MetricsOptions',
  listen: 'ListenOptions',
  tls: 'TlsOptions',
  websocket: 'WebSocketOptions',
};

/** Every option of `serve`, with what there is to say about it. */
function readOptions({ OPTION_NAMES, allowedFor, defaultOf }, flags) {
  const options = [];
  const add = ({ name, type, text }) => {
    const flag = flags.find(({ option }) => option === name);
    const hasRule = OPTION_NAMES.includes(name);
    const fallback = hasRule ? defaultOf(name) : undefined;
    options.push({
      name,
      text,
      flag,
      allowed: hasRule ? allowedFor(name) : typeInWords(type),
      fallback: fallback ?? /@default (.*)/.exec(text)?.[1]?.replaceAll("'", ''),
    });
  };
  for (const member of membersOf('ServeOptions')) {
    const { name, text } = member;
    const nested = NESTED[name];
    if (nested === undefined || !/^Bounds|^How long/.test(text)) {
      add(member);
    }
    for (const inner of nested === undefined ? [] : membersOf(nested)) {
      add({ ...inner, name: `${name}.${inner.name}` });
    }
  }
  const missing = OPTION_NAMES.filter((name) => !options.some((option) => option.name === name));
  if (missing.length > 0) {
    throw new Error(`ts/types/options.ts says nothing of ${missing.join(', ')}`);
  }
  return options;
}

/** Every option of a folder, then those that a file has too. */
function readFileOptions(flags) {
  return ['FolderRoute', 'ServedFiles'].flatMap(membersOf).map(({ name, type, text }) => ({
    name,
    text,
    flag: flags.find(({ option }) => option === name),
    allowed: typeInWords(type),
    fallback: /@default (.*)/.exec(text)?.[1]?.replaceAll("'", ''),
  }));
}

function typeInWords(type) {
  if (type.startsWith('MetricsRegistry')) {
    return 'a `Registry` of prom-client, or a function';
  }
  if (type.includes('=>') || type.startsWith('Handler')) {
    return 'a function';
  }
  if (type.includes('boolean') && type.includes('{')) {
    return 'true or false, or an object';
  }
  const words = {
    boolean: 'true or false',
    number: 'a number',
    string: 'text',
    'Routes<Path>': 'path → response, files or handler',
    'string | URL': 'a path or a `file:` URL',
    'string | number': 'a port or an address',
    'string | AccessLogOptions': 'a path, or an object',
    'boolean | CompressOptions': 'true or false, or an object',
    ThreadLimits: 'as `new Worker` takes it',
    'ListenEntry | readonly ListenEntry[]': 'a port, an address, an object, or several',
    'false | TlsOptions | readonly TlsOptions[]': 'an object, or one for each host name',
    'boolean | TlsOptions | readonly TlsOptions[]': 'true or false, or as `tls`',
    'TlsText | readonly TlsText[]': 'PEM text, bytes, a path or a `file:` URL, or several',
    'TlsText | TlsEncryptedKey | readonly (TlsText | TlsEncryptedKey)[]':
      'as `tls.cert`, or `{ pem, passphrase }`',
    'string | readonly string[]': 'a name, or several',
    'readonly (string | Uint8Array)[] | Uint8Array': 'names',
    SNICallback: 'a function',
    TlsTicketKeys: 'a Buffer of 48 bytes, or several',
    'number | string': 'a number, also as text',
    'boolean | number': 'true or false, or a port',
    'WebSocketOptions<Data>': 'an object',
    'readonly string[]': 'names',
    'boolean | PerMessageDeflateOptions': 'true or false, or an object',
    AllowedOrigins: 'an origin, a pattern, several of them or a function',
    Data: 'only a type',
    'string | readonly string[] | false': 'a name, several, or false',
    'boolean | string': 'true, false or text',
    'string | false': 'text, or false',
    'Readonly<Record<string, string | readonly string[] | HeaderFields>>':
      'fields by name, or by pattern',
  };
  return words[type] ?? asCode(type);
}

function optionsTable(options) {
  return table(
    ['option', 'command line', 'variable', 'values', 'default'],
    options.map(({ name, flag, allowed, fallback }) => [
      `[\`${name}\`](#${anchor(name)})`,
      flag === undefined
        ? ''
        : flag.flags
            .split(', ')
            .map((each) => asCode(each.split(' ')[0]))
            .join(', '),
      flag === undefined ? '' : asCode(flag.env),
      unitOf(flag) +
        allowed
          .replace(/^an integer from /, '')
          .replaceAll('"', '`')
          .replaceAll('|', '\\|'),
      defaultInWords(fallback, flag),
    ]),
  );
}

/** As the flag's placeholder has it. */
function unitOf(flag) {
  const [, unit] = /<(ms|bytes)>/.exec(flag?.flags ?? '') ?? [];
  return unit === undefined ? '' : `${unit}, `;
}

/** A default in words hangs on other options. */
function inWords(fallback) {
  return fallback.includes(' ') ? fallback : asCode(fallback);
}

function defaultInWords(fallback, flag) {
  const [, words] = /; by default (.*)$/.exec(flag?.text ?? '') ?? [];
  const command = flag?.fallback === undefined ? '' : `command line ${asCode(flag.fallback)}`;
  return [fallback === undefined ? words : inWords(String(fallback)), command]
    .filter(Boolean)
    .join('; ');
}

/** A heading for each, under which is what the types say. */
function everyOption(options) {
  return options
    .map(({ name, text }) => {
      const [words, example] = text.replace(/@default .*/, '').split('@example');
      const code = example === undefined ? '' : `\n\n\`\`\`js\n${example.trim()}\n\`\`\``;
      return `### \`${name}\`\n\n${plain(words.trim())}${code}`;
    })
    .join('\n\n');
}

/** Links to types become their names. */
function plain(text) {
  return text
    .replace(/\{@link (?:ServeOptions\.)?([\w.]+)\}/g, (_, name) =>
      asCode(name.replace(/^Server\./, 'server.')),
    )
    .replace(/^(?!- )(\S.*)\n(?=- )/gm, '$1\n\n')
    .replace(/\n{3,}/g, '\n\n');
}

/** As GitHub makes it from a heading. */
function anchor(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

// Markdown.

function asCode(text) {
  return `\`${text}\``;
}

function table(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  setup();
  const stale = await stalePages();
  for (const [file, page] of stale) {
    const name = file.slice(ROOT.length);
    if (process.argv.includes('--check')) {
      process.stderr.write(`${name} is not what its sources say; "npm run docs" writes it\n`);
      process.exitCode = 1;
    } else {
      writeFileSync(file, page);
      process.stderr.write(`${name} was written\n`);
    }
  }
}
