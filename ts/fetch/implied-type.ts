/**
 * The types that a body may imply if the headers of its response name none. The values are bits of
 * the flags in a response's record (`lane/record.ts`). So the bridge passes them on unchanged, and
 * the engine writes the field.
 */
export const TEXT = 1;
export const JSON_TEXT = 8;
