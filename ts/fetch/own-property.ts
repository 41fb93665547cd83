/**
 * Sets a property on the object itself. An assignment could call an inherited setter, such as
 * `__proto__`. A proxy around the object passes this on.
 */
export function setOwn(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
