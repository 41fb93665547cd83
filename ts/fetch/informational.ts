import { fieldsOf, ReactorHeaders } from './headers.js';

type Fields = ConstructorParameters<typeof ReactorHeaders>[0];

/**
 * The fields of an informational answer, names and values in turn.
 *
 * @throws {RangeError} for a status that a program cannot give
 * @throws {TypeError} for a field that cannot be sent
 */
export function informationalFields(status: unknown, headers: unknown): string[] {
  if (!Number.isInteger(status) || (status as number) < 102 || (status as number) > 199) {
    throw new RangeError(
      `sendInformational: the status must be 102 to 199, got ${String(status)}; the server itself sends 100 and 101`,
    );
  }
  return headers === undefined ? [] : fieldsOf(new ReactorHeaders(headers as Fields));
}

/** One `link` field for each of the links. */
export function linkFields(links: unknown): [name: string, value: string][] {
  const list: unknown[] = Array.isArray(links) ? links : [links];
  return list.map((link) => {
    if (typeof link !== 'string' || !/^\s*<[^>]*>/.test(link)) {
      throw new TypeError(
        `earlyHints: a link must look like '</style.css>; rel=preload; as=style', got ${String(link)}`,
      );
    }
    return ['link', link];
  });
}
