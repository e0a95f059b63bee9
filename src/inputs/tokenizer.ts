import type { Tokenizer } from '@huggingface/tokenizers';
import { TransferKitError } from '../errors.js';
import type { JsonObject, JsonValue } from '../common/json.js';
import { bertNormalizer } from './bert-normalizer.js';
import type { BertNormalizerSettings } from './bert-normalizer.js';

type Library = typeof import('@huggingface/tokenizers');

/** A place in the frame of special tokens around one text or two: a fixed token, or all tokens of a text. */
type FramePart = { readonly id: number; readonly typeId: number } | { readonly text: 0 | 1; readonly typeId: number };

/** Turns text into token ids. */
export interface TextTokenizer {
  /** Ids of a text, without special tokens. */
  ids(text: string): number[];
  /** The id that stands for what the vocabulary lacks; undefined where there is none. */
  readonly unknownId: number | undefined;
  /** The special tokens around one text, and around two. */
  readonly frames: readonly [single: readonly FramePart[], pair: readonly FramePart[]];
  /** Token ids as text again, special tokens included. */
  textOf(ids: readonly number[]): string;
}

/** Words whose pieces are remembered. Text repeats its words, and splitting one into pieces is the costly step. */
const rememberedWords = 50_000;

/**
 * Remembers the pieces of words. The model splits each word by itself, so the pieces of one do not depend on its neighbours.
 */
function rememberWords(tokenizer: Tokenizer): void {
  const model = tokenizer.model as unknown as { encode(words: string[]): string[] };
  const split = model.encode.bind(model);
  const known = new Map<string, string[]>();
  model.encode = (words) => {
    const pieces: string[] = [];
    for (const word of words) {
      let found = known.get(word);
      if (found === undefined) {
        found = split([word]);
        if (known.size >= rememberedWords) known.clear();
        if (word.length < 64) known.set(word, found);
      }
      pieces.push(...found);
    }
    return pieces;
  };
}

/** Our BERT normaliser in the place of the library's; any other stays. The library calls it as a function or as a method. */
function ours(normalizer: unknown, library: Library): unknown {
  if (!(normalizer instanceof library.BertNormalizer)) return normalizer;
  const normalize = bertNormalizer((normalizer as unknown as { config: BertNormalizerSettings }).config);
  return Object.assign(normalize, { normalize });
}

/** Replaces the library's BERT normaliser, at the top or inside a sequence. */
function replaceBertNormalizers(tokenizer: Tokenizer, library: Library): void {
  const holder = tokenizer as unknown as { normalizer: unknown };
  const sequence = holder.normalizer as { normalizers?: unknown[] } | null;
  if (Array.isArray(sequence?.normalizers)) sequence.normalizers = sequence.normalizers.map((part) => ours(part, library));
  else holder.normalizer = ours(holder.normalizer, library);
}

const isBert = (name: JsonValue | undefined): boolean => typeof name === 'string' && name.startsWith('Bert');

/**
 * `tokenizer_config.json` has the last word on the settings of a BERT normaliser, as in the reference.
 */
export function withConfiguredNormalizer(json: JsonObject, config: JsonObject): JsonObject {
  const normalizer = json['normalizer'] as JsonObject | null | undefined;
  if (normalizer?.['type'] !== 'BertNormalizer' || !isBert(config['tokenizer_class'])) return json;
  const told: Record<string, boolean | null> = {};
  if (typeof config['do_lower_case'] === 'boolean') told['lowercase'] = config['do_lower_case'];
  if (typeof config['strip_accents'] === 'boolean' || config['strip_accents'] === null) told['strip_accents'] = config['strip_accents'];
  if (typeof config['tokenize_chinese_chars'] === 'boolean') told['handle_chinese_chars'] = config['tokenize_chinese_chars'];
  return { ...json, normalizer: { ...normalizer, ...told } };
}

/** The frame of special tokens, found by framing one marker a text. */
function frameOf(tokenizer: Tokenizer, pair: boolean): readonly FramePart[] {
  const markers = ['\u0000first', '\u0000second'];
  const bare: FramePart[] = markers.slice(0, pair ? 2 : 1).map((_, text) => ({ text: text as 0 | 1, typeId: text }));
  const framed = tokenizer.post_processor?.post_process([markers[0]!], pair ? [markers[1]!] : null, true);
  if (framed === undefined || !markers.slice(0, pair ? 2 : 1).every((marker) => framed.tokens.includes(marker))) return bare;
  return framed.tokens.map((token, index) => {
    const typeId = framed.token_type_ids?.[index] ?? 0;
    const text = markers.indexOf(token);
    return text === -1 ? { id: tokenizer.token_to_id(token) ?? -1, typeId } : { text: text as 0 | 1, typeId };
  });
}

/** The library takes an unknown kind or an empty vocabulary in silence, and then knows no word. */
function checkVocabulary({ model }: JsonObject): void {
  const { type, vocab } = (model ?? {}) as JsonObject;
  if (type !== undefined && type !== null && !(typeof type === 'string' && ['WordPiece', 'BPE', 'Unigram', 'WordLevel'].includes(type)))
    throw new Error(`its model has the type ${JSON.stringify(type)}, and WordPiece, BPE, Unigram and WordLevel are known`);
  const size = typeof vocab === 'object' && vocab !== null ? Object.keys(vocab).length : 0;
  if (size === 0) throw new Error('its model has no vocabulary');
}

/**
 * Makes a tokenizer from the contents of `tokenizer.json` and `tokenizer_config.json`.
 *
 * @throws TransferKitError `corrupt-file` when the description is broken or speaks of parts that are not known;
 *   `missing-package` when @huggingface/tokenizers cannot be imported
 */
export async function createTokenizer(json: JsonObject, config: JsonObject): Promise<TextTokenizer> {
  const library = await importLibrary();
  try {
    const parts = {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      added_tokens: [],
      ...withConfiguredNormalizer(json, config),
    };
    const tokenizer = new library.Tokenizer(parts, config);
    checkVocabulary(json);
    replaceBertNormalizers(tokenizer, library);
    rememberWords(tokenizer);
    const unknownId = (tokenizer.model as unknown as { unk_token_id?: number }).unk_token_id;
    const ids = (text: string): number[] => tokenizer.tokenize(text).map((token) => tokenizer.token_to_id(token) ?? unknownId ?? -1);
    const textOf = (tokens: readonly number[]): string => (tokens.length === 0 ? '' : tokenizer.decode([...tokens]));
    return { ids, unknownId, frames: [frameOf(tokenizer, false), frameOf(tokenizer, true)], textOf };
  } catch (cause) {
    throw new TransferKitError(
      'corrupt-file',
      `tokenizer.json does not describe a tokenizer that can be built: ${(cause as Error).message}.\n  Fix: download the file again, or export it again with a recent version of its library.`,
      { cause },
    );
  }
}

/** Loaded when the first tokenizer is made, so that a program for photos carries none. */
async function importLibrary(): Promise<Library> {
  try {
    return await import('@huggingface/tokenizers');
  } catch (cause) {
    throw new TransferKitError(
      'missing-package',
      'texts need the package @huggingface/tokenizers, which cannot be imported.\n  Fix: npm install @huggingface/tokenizers',
      { cause },
    );
  }
}
