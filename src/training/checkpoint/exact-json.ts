import type { JsonObject } from '../../common/json.js';

/** Numbers that JSON has no word for. */
const written = (value: number): string | undefined => (Object.is(value, -0) ? '-0' : Number.isFinite(value) ? undefined : String(value));

const isMark = (value: unknown): value is { readonly $number: string } =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)['$number'] === 'string';

/**
 * JSON text from which every number comes back bit by bit, also NaN, the infinities and minus zero. JSON itself keeps every
 * other float64. Members that are undefined are left out.
 */
export function toExactJson(value: JsonObject): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    const word = typeof part === 'number' ? written(part) : undefined;
    return word === undefined ? part : { $number: word };
  });
}

/** What `toExactJson` wrote. @throws SyntaxError when it is no JSON */
export function fromExactJson(text: string): unknown {
  return JSON.parse(text, (_key, part: unknown) => (isMark(part) ? Number(part.$number) : part));
}
