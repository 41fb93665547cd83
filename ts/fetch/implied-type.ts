/**
 * The types that a body may imply, where the headers of its response name none. The values are
 * bits of the flags in a response's record (`lane/record.ts`): the bridge passes them on as they
 * are, and the engine writes the field.
 */
export const TEXT = 1;
export const JSON_TEXT = 8;
