import { TransferKitError } from '../errors.js';
import type { JsonObject, JsonValue } from './json.js';

/** Fields that transformers writes into every configuration and that change no number of a backbone. */
const alwaysIrrelevant: readonly string[] = [
  '_attn_implementation_autoset', '_commit_hash', '_name_or_path', 'architectures', 'bad_words_ids', 'chunk_size_feed_forward', 'custom_pipelines',
  'dtype', 'finetuning_task', 'id2label', 'initializer_range', 'is_decoder', 'is_encoder_decoder', 'label2id', 'num_labels', 'output_attentions',
  'output_hidden_states', 'prefix', 'problem_type', 'return_dict', 'task_specific_params', 'tf_legacy_loss', 'tie_word_embeddings',
  'torch_dtype', 'torchscript', 'transformers_version', 'use_bfloat16',
]; // prettier-ignore

/**
 * Reads a published configuration field by field, and complains of those that nobody read: a setting that is passed over in
 * silence is a wrong number somewhere.
 */
export class ConfigFields {
  readonly #json: JsonObject;
  readonly #where: string;
  readonly #known = new Set<string>(alwaysIrrelevant);

  /** @param where what the fields belong to, for messages: `mobilenet-v2 config of hf://owner/name` */
  constructor(json: JsonObject, where: string) {
    this.#json = json;
    this.#where = where;
  }

  /** A number, or what it is where the field is absent. @throws TransferKitError `bad-config` */
  number(name: string, fallback: number, range: { readonly above?: number; readonly atMost?: number } = {}): number {
    const value = this.#take(name, fallback);
    const { above = -Infinity, atMost = Number.MAX_SAFE_INTEGER } = range;
    if (typeof value === 'number' && value > above && value <= atMost) return value;
    throw this.error(name, `a number above ${above} and at most ${atMost}`, value);
  }

  /** A boolean, or what it is where the field is absent. @throws TransferKitError `bad-config` */
  boolean(name: string, fallback: boolean): boolean {
    const value = this.#take(name, fallback);
    if (typeof value === 'boolean') return value;
    throw this.error(name, 'true or false', value);
  }

  /** A field that must have one of these values; absent counts as the first. @throws TransferKitError `bad-config` */
  oneOf<Value extends JsonValue>(name: string, values: readonly [Value, ...Value[]]): Value {
    const value = this.#take(name, values[0]);
    if ((values as readonly JsonValue[]).includes(value)) return value as Value;
    throw this.error(name, [...new Set<JsonValue>(values)].map((allowed) => JSON.stringify(allowed)).join(' or '), value);
  }

  /** Fields that change no number of the backbone. */
  irrelevant(...names: readonly string[]): void {
    for (const name of names) this.#known.add(name);
  }

  /** Call last. @throws TransferKitError `bad-config` naming the fields that nobody asked for. */
  finish(): void {
    const unknown = Object.keys(this.#json).filter((name) => !this.#known.has(name));
    if (unknown.length === 0) return;
    throw new TransferKitError(
      'bad-config',
      `${this.#where} has fields that this version does not know: ${unknown
        .slice(0, 10)
        .map((name) => `"${name}"`)
        .join(', ')}.\n` +
        `  Expected: fields that are known to matter or not to matter, because an unknown one may change the numbers.\n` +
        `  Fix: if they do not matter, remove them from a local copy of the configuration and load that.`,
      { details: { unknown } },
    );
  }

  /** A complaint about one field. */
  error(name: string, expected: string, received: JsonValue | undefined): TransferKitError {
    // A required number that is absent falls back to NaN.
    const isThere = received !== undefined && received !== null && !Number.isNaN(received);
    return new TransferKitError(
      'bad-config',
      `${this.#where}: field "${name}" ${isThere ? 'is not supported' : 'is missing'}.\n  Expected: ${expected}\n` +
        `  Received: ${isThere ? JSON.stringify(received) : 'nothing'}\n  Fix: use the configuration as it was published with the weights, or choose another checkpoint.`,
      { details: { field: name, received } },
    );
  }

  #take(name: string, fallback: JsonValue): JsonValue {
    this.#known.add(name);
    return this.#json[name] ?? fallback;
  }
}
