// What `--watch` serves until the program's module can be loaded for the first time. The error of
// that module takes its place at once.

import { Response } from '../fetch/globals.js';

export default function placeholder(): Response {
  return new Response('The module is being loaded\n', {
    status: 503,
    headers: { 'content-type': 'text/plain', 'retry-after': '1' },
  });
}
