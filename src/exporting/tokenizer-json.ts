import type { JsonObject, JsonValue } from '../common/json.js';
import { TransferKitError } from '../errors.js';
import type { TextRecipe } from '../inputs/text.js';
import { withConfiguredNormalizer } from '../inputs/tokenizer.js';
import { wordPieceFromVocabulary } from '../inputs/word-piece-from-vocabulary.js';
import { parseJsonObject } from '../weights/read-json.js';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A processor's tokenizer as it was loaded: `tokenizer.json`, made where there is a vocabulary alone, and its config. */
export interface LoadedTokenizer {
  readonly json: JsonObject;
  readonly config: JsonObject;
}

/** Reads the files of a text processor. @throws TransferKitError `unsupported` where there is no tokenizer among them */
export function loadedTokenizer(files: ReadonlyMap<string, Uint8Array>): LoadedTokenizer {
  const configFile = files.get('tokenizer_config.json');
  const config = configFile === undefined ? {} : parseJsonObject(configFile, 'tokenizer_config.json');
  const [json, vocabulary] = [files.get('tokenizer.json'), files.get('vocab.txt')];
  if (json !== undefined) return { json: parseJsonObject(json, 'tokenizer.json'), config };
  if (vocabulary !== undefined) return { json: wordPieceFromVocabulary(vocabulary, config), config };
  throw new TransferKitError(
    'unsupported',
    `this base prepares texts by a tokenizer that other libraries cannot load.\n  Expected: tokenizer.json or vocab.txt among the files of its processor\n` +
      `  Received: ${[...files.keys()].join(', ') || 'no files'}\n  Fix: use textProcessor in the backbone, or export a base that does.`,
  );
}

/** Every token with its id: a table, or for Unigram a list of pairs; and the tokens that were added. */
function tokenIds({ model, added_tokens: added }: JsonObject): Map<string, number> {
  const { vocab } = isObject(model) ? model : {};
  const own = Array.isArray(vocab)
    ? vocab.map((entry, index): [string, number] => [(entry as readonly string[])[0]!, index])
    : (Object.entries(isObject(vocab) ? vocab : {}) as [string, number][]);
  const more = (Array.isArray(added) ? (added as readonly JsonObject[]) : []).map(({ content, id }): [string, number] => [
    content as string,
    id as number,
  ]);
  return new Map([...own, ...more]);
}

/** The id of the token that stands for what the vocabulary lacks. */
export function unknownId(json: JsonObject): number | undefined {
  const model = isObject(json['model']) ? json['model'] : {};
  if (typeof model['unk_id'] === 'number') return model['unk_id'];
  return typeof model['unk_token'] === 'string' ? tokenIds(json).get(model['unk_token']) : undefined;
}

/** Lower-casing in front of whatever else is done to a text. */
function normalizerFor(normalizer: JsonValue | undefined, { lowerCase }: TextRecipe): JsonValue {
  if (!lowerCase) return normalizer ?? null;
  const rest = normalizer === undefined || normalizer === null ? [] : [normalizer];
  return { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, ...rest] };
}

/** The tokenizer with what the recipe says of it written in, for libraries that read no recipe. */
export function tokenizerJson({ json, config }: LoadedTokenizer, recipe: TextRecipe): JsonObject {
  const configured = withConfiguredNormalizer(json, config);
  return {
    version: '1.0',
    ...configured,
    truncation: { direction: 'Right', max_length: recipe.maxLength, strategy: 'LongestFirst', stride: 0 },
    padding: null,
    normalizer: normalizerFor(configured['normalizer'], recipe),
    post_processor: recipe.addSpecialTokens ? (configured['post_processor'] ?? null) : null,
  };
}

/** Roles of special tokens, and what BERT's are called. */
const roles = { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' } as const;

/** A special token's text: given plainly, or as an object with `content`. */
const textOf = (value: JsonValue | undefined): string | undefined => {
  const content = isObject(value) ? value['content'] : value;
  return typeof content === 'string' ? content : undefined;
};

/** `special_tokens_map.json`: the special tokens that the vocabulary has. */
export function specialTokens({ json, config }: LoadedTokenizer, { padId }: TextRecipe): Record<string, string> {
  const ids = tokenIds(json);
  const named = ['bos_token', 'eos_token', ...Object.keys(roles)].map((role): [string, string | undefined] => {
    const usual = roles[role as keyof typeof roles] as string | undefined;
    return [role, textOf(config[role]) ?? usual];
  });
  const known = named.filter((entry): entry is [string, string] => entry[1] !== undefined && ids.has(entry[1]));
  const padding = [...ids].find(([, id]) => id === padId)?.[0];
  return { ...Object.fromEntries(known), ...(padding === undefined ? {} : { pad_token: padding }) };
}

/** `tokenizer_config.json`: what was there, with lengths and special tokens as they are used. */
export function tokenizerConfig(loaded: LoadedTokenizer, recipe: TextRecipe): JsonObject {
  const { tokenizer_class: given, ...config } = loaded.config;
  const usual = recipe.arrays.includes('typeIds') ? 'BertTokenizer' : 'PreTrainedTokenizerFast';
  return {
    ...config,
    ...specialTokens(loaded, recipe),
    tokenizer_class: given ?? usual,
    model_max_length: recipe.maxLength,
  };
}
