/**
 * `require` from the folder of the compiled files. They are built as ES modules and
 * as CommonJS; `import.meta` is an error in the one and `__filename` is missing in
 * the other, but this file is CommonJS in both.
 */
// @ts-expect-error CommonJS has no other form that TypeScript could not just erase
export = require;
