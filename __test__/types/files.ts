// Compiled, never run: routes of files and file(), in the public types.

import { openAsBlob } from 'node:fs';
import {
  type FileRoute,
  type FolderRoute,
  file,
  type ReactorFile,
  Response,
  type Routes,
  serve,
} from 'reactor-rs';

const folder: FolderRoute = {
  dir: new URL('./public/', import.meta.url),
  index: ['index.html', 'index.htm'],
  spa: 'app.html',
  notFound: false,
  cleanUrls: true,
  slashRedirect: false,
  dotfiles: true,
  listing: true,
  immutable: true,
  cacheControl: 'public, max-age=60',
  cors: 'https://example.com',
  precompressed: false,
  compress: false,
  headers: { 'x-a': ['1', '2'], '*.pdf': { 'content-disposition': 'attachment' } },
};
const single: FileRoute = { file: './logo.png', cacheControl: false, headers: { 'x-a': '1' } };
// @ts-expect-error a file has no index
const indexed: FileRoute = { file: './logo.png', index: 'index.html' };
// @ts-expect-error a folder is needed
const nowhere: FolderRoute = { listing: true };
// @ts-expect-error patterns are for folders
const patterns: FileRoute = { file: './a', headers: { '*.js': { 'x-a': '1' } } };

const routes: Routes = {
  '/*': folder,
  '/logo.png': single,
  '/other.png': file('./other.png'),
  '/both': { GET: { file: './a.json' }, POST: async (request) => new Response(request.body) },
};

export async function files(): Promise<void> {
  const given: ReactorFile = file(new URL('file:///a.txt'), { type: 'text/plain' });
  const blob: Blob = given;
  const asFile: File = given;
  const size: number = given.slice(0, 5, 'a/b').size;
  const bytes: Uint8Array<ArrayBuffer> = await given.bytes();
  const is: boolean = await given.exists();
  const text: string = await given.text();
  const parsed: unknown = await given.json();
  // @ts-expect-error a path or a URL
  file(5);
  // @ts-expect-error there is no such option
  file('./a', { mode: 5 });
  const ours = await serve({ routes, fetch: () => new Response(given) });
  const global = await serve({ fetch: () => new globalThis.Response(given) });
  await serve({ fetch: async () => new Response(await openAsBlob('./a')) });
  await serve({ routes: { '/u/:id': ({ params }) => new Response(file(`./${params.id}`)) } });
  void [blob, asFile, size, bytes, is, text, parsed, ours, global, indexed, nowhere, patterns];
}
