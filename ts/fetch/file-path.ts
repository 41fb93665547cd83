import { fileURLToPath } from 'node:url';

/** The path that a text or a `file:` URL names; `undefined` for another URL and anything else. */
export function filePath(given: unknown): string | undefined {
  const text = given instanceof URL ? given.href : given;
  if (typeof text !== 'string' || text === '' || /[\0\n]/.test(text)) {
    return undefined;
  }
  if (!/^file:/i.test(text)) {
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? undefined : text;
  }
  try {
    return fileURLToPath(text);
  } catch {
    return undefined;
  }
}
