import { randomBytes } from 'node:crypto';
import { Response } from '../fetch/globals.js';
import type { Failure } from './failure.js';
import { linesOf, type Style } from './shown.js';

/** Where the browser hears of reloads, and gets the script that listens. */
export const EVENTS_PATH = '/.reactor/watch';
export const SCRIPT_PATH = '/.reactor/watch.js';

/** What a document of the browser was made with. */
export interface Version {
  /** Changes with each reload and each server. */
  readonly id: string;
  /** The error that the document shows, or that is known; empty if there is none. */
  readonly error: string;
}

const HTML: Style = {
  headline: (text) => `<b>${escaped(text)}</b>`,
  place: (text) => `<i>${escaped(text)}</i>`,
  here: (text) => `<b>${escaped(text)}</b>`,
  faint: (text) => `<s>${escaped(text)}</s>`,
  plain: escaped,
};

/** How an error is answered. */
export type Form = 'html' | 'json' | 'text';

/** Whether a browser asks for a document to show. */
export function isNavigation(request: Request): boolean {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    return false;
  }
  // Browsers send it over TLS and to this machine.
  const mode = headers.get('sec-fetch-mode');
  return mode === null ? accepts(headers, 'text/html') : mode === 'navigate';
}

/** Whether the document is a page of its own, into which a script may go. */
export function isWholePage(request: Request): boolean {
  const { method, headers } = request;
  const dest = headers.get('sec-fetch-dest');
  return method === 'GET' && isNavigation(request) && (dest === null || dest === 'document');
}

/** The form in which the client wants to read an error. */
export function formFor(request: Request): Form {
  if (isNavigation(request)) {
    return 'html';
  }
  return accepts(request.headers, 'application/json') ? 'json' : 'text';
}

function accepts(headers: Headers, type: string): boolean {
  return (headers.get('accept') ?? '').toLowerCase().includes(type);
}

/**
 * The answer that shows an error.
 * @param title says what has failed
 */
export function failureResponse(
  title: string,
  failure: Failure,
  form: Form,
  version: Version,
): Response {
  const init = (type: string, more: Record<string, string> = {}) => ({
    status: 500,
    headers: {
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...more,
    },
  });
  if (form === 'json') {
    const text = linesOf(failure).join('\n');
    return new Response(
      `${JSON.stringify({ error: { message: title, details: text, ...failure } }, null, 2)}\n`,
      init('application/json'),
    );
  }
  if (form === 'text') {
    const text = [title, '', ...linesOf(failure)].join('\n');
    return new Response(`${text}\n`, init('text/plain;charset=utf-8'));
  }
  const nonce = randomBytes(12).toString('base64');
  return new Response(
    page(title, failure, nonce, version),
    init('text/html;charset=utf-8', {
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
    }),
  );
}

function page(title: string, failure: Failure, nonce: string, version: Version): string {
  const name = escaped(failure.headline.split('\n')[0] as string);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${name}</title>
<style nonce="${nonce}">
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 2rem; max-width: 60rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.1rem; margin: 0 0 1rem; }
pre { margin: 0; padding: 1rem; border-left: 4px solid #d33; background: #8881; overflow: auto;
  font: 14px/1.5 ui-monospace, monospace; tab-size: 4; }
b { color: light-dark(#b00, #f77); }
i { font-style: normal; font-weight: bold; }
s { text-decoration: none; opacity: 0.65; }
p { opacity: 0.75; font-size: 0.9rem; }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<pre>${linesOf(failure, HTML).join('\n')}</pre>
<p>This page comes from <code>reactor-rs serve --watch</code>. It loads again when a file changes.</p>
${scriptTag(version)}
</body>
</html>
`;
}

/** The element that lets a document hear of reloads. */
export function scriptTag({ id, error }: Version, nonce = ''): string {
  const allowed = nonce === '' ? '' : ` nonce="${escaped(nonce)}"`;
  return `<script src="${SCRIPT_PATH}" data-id="${id}" data-error="${error}" async${allowed}></script>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
