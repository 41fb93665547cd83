/**
 * Sets a property of the object itself. An assignment would call a setter on the way, and
 * `__proto__` is one; a proxy around the object passes this on.
 */
export function setOwn(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
