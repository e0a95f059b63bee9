/** Anything that JSON can say. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON object; absent members read as undefined. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}
