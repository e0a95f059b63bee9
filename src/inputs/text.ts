import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import { augmentTokens } from './augment/augment-text.js';
import { checkAugmentation } from './augment/check-augmentation.js';
import type { TextAugmentation } from './augment/recipe.js';
import { checkTextRecipe } from './check-text-recipe.js';
import type { AugmentedView, EncodedInput, InputProcessor, InputRecipe, ProcessorContext } from './input.js';
import { parseJsonObject } from '../weights/read-json.js';
import { createTokenizer } from './tokenizer.js';
import type { TextTokenizer } from './tokenizer.js';
import { wordPieceFromVocabulary } from './word-piece-from-vocabulary.js';

/** What a text becomes, each int32 [tokens]: token ids; 1 for each token; 0 for the first text of a pair and 1 for the second. */
export type TextArray = 'ids' | 'mask' | 'typeIds';

/** How a text becomes token ids. The tokenizer itself is in the companion files. */
export interface TextRecipe extends InputRecipe {
  readonly kind: 'text';
  /** Most tokens, special ones included; longer texts are cut, of two texts the longer first. */
  readonly maxLength: number;
  /** Whether the tokenizer's special tokens ([CLS], [SEP]) are put around the text. */
  readonly addSpecialTokens: boolean;
  /** What the backbone takes, in the order of its inputs. */
  readonly arrays: readonly TextArray[];
  /** The token id that fills up shorter texts of a batch. */
  readonly padId: number;
  /** Rows of the backbone's embedding table; a tokenizer that goes beyond is refused. */
  readonly vocabularySize: number;
  /** Lower-case the text before the tokenizer sees it. */
  readonly lowerCase: boolean;
  /** Leave out tokens that the vocabulary lacks. */
  readonly dropUnknown: boolean;
  /** Characters beyond this are cut before the tokenizer sees the text; absent: none are. */
  readonly cutCharacters?: number;
  /** Texts with more characters are refused. */
  readonly maxCharacters: number;
}

/** Texts with more characters than this are refused unless the recipe says otherwise. */
export const defaultMaxCharacters = 1_000_000;

/** Folders that a tokenizer may lie in, in the order of search. */
const folders = ['', '0_StaticEmbedding/', '0_Transformer/'];

/** A raw input in words, for messages. */
function describe(raw: unknown): string {
  if (raw === undefined) return 'nothing';
  if (raw === null || typeof raw === 'boolean') return String(raw);
  if (typeof raw === 'number' || typeof raw === 'bigint') return `the number ${String(raw)}`;
  if (typeof raw === 'string') return raw === '' ? 'an empty string' : JSON.stringify(raw.slice(0, 60));
  if (Array.isArray(raw)) return `an array of ${raw.length}${raw.length === 0 ? '' : ` (${raw.slice(0, 3).map(describe).join(', ')})`}`;
  return Object.prototype.toString.call(raw);
}

/** The one or two texts of an input. */
function textsOf(raw: unknown, maxCharacters: number): readonly string[] {
  const texts = typeof raw === 'string' ? [raw] : Array.isArray(raw) && raw.length === 2 ? (raw as unknown[]) : [];
  const usable = texts.length > 0 && texts.every((text) => typeof text === 'string') && texts.some((text) => text !== '');
  if (!usable) {
    throw new TransferKitError(
      'bad-input',
      `this is not a text: expected a string that is not empty, or an array of two strings, received ${describe(raw)}.\n  Fix: check the input, or the text column of the table; leave out rows without text.`,
    );
  }
  for (const text of texts) if (text.length > maxCharacters) throw tooLong(text, maxCharacters);
  return texts;
}

function tooLong(text: string, limit: number): TransferKitError {
  return new TransferKitError(
    'too-large',
    `a text has ${text.length} characters: expected at most ${limit}, received ${describe(text)}...\n  Fix: cut the text, or raise maxCharacters in the input recipe.`,
    {
      details: { characters: text.length, limit },
    },
  );
}

/** How many tokens of two texts stay: the longer one is cut until both fit; then each has half. */
function fitPair(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const short = Math.min(first, second);
  const half = Math.floor(room / 2);
  const kept = short > half ? [half, room - half] : [short, room - short];
  return first <= second ? [kept[0]!, kept[1]!] : [kept[1]!, kept[0]!];
}

/** What a view makes of the tokens of one text. */
function changeOf({ augmentation, random }: AugmentedView): (tokens: readonly number[]) => readonly number[] {
  const checked = checkAugmentation(augmentation, 'text') as TextAugmentation;
  return (tokens) => augmentTokens(tokens, checked, random);
}

/** Encodes texts by one recipe and one tokenizer. */
class RecipeEncoder {
  readonly #recipe: TextRecipe;
  readonly #tokenizer: TextTokenizer;

  constructor(recipe: TextRecipe, tokenizer: TextTokenizer) {
    this.#recipe = recipe;
    this.#tokenizer = tokenizer;
  }

  encode(raw: unknown, view?: AugmentedView): EncodedInput {
    const change = view === undefined ? undefined : changeOf(view);
    const pieces = textsOf(raw, this.#recipe.maxCharacters).map((text) => this.#pieces(text));
    // Changed before the cut, so that other views show other parts of a long text.
    const { ids, typeIds } = this.#frame(this.#cut(change === undefined ? pieces : pieces.map(change)));
    // Even a text without a known token takes one place, with mask 0: tensors without elements are trouble on some backends.
    const length = Math.max(1, ids.length);
    const arrays: Record<TextArray, Int32Array> = {
      ids: new Int32Array(length).fill(this.#recipe.padId),
      mask: new Int32Array(length),
      typeIds: new Int32Array(length),
    };
    arrays.ids.set(ids);
    arrays.mask.fill(1, 0, ids.length);
    arrays.typeIds.set(typeIds);
    return { arrays: this.#recipe.arrays.map((name) => ({ shape: [length], values: arrays[name] })), length };
  }

  /** What the network reads, as text again. */
  show({ arrays }: EncodedInput): string {
    const place = (name: TextArray): number => this.#recipe.arrays.indexOf(name);
    const mask = arrays[place('mask')]?.values;
    const ids = arrays[place('ids')]?.values ?? [];
    return this.#tokenizer.textOf(Array.from(ids).filter((_, index) => mask?.[index] !== 0));
  }

  /** Token ids of one text, without special tokens. */
  #pieces(text: string): number[] {
    const { cutCharacters, lowerCase, dropUnknown, vocabularySize } = this.#recipe;
    let prepared = text;
    if (cutCharacters !== undefined && text.length > cutCharacters) prepared = Array.from(text).slice(0, cutCharacters).join('');
    if (lowerCase) prepared = prepared.toLowerCase();
    const ids = this.#tokenizer.ids(prepared);
    for (const id of ids) assertKnown(id, vocabularySize);
    return dropUnknown ? ids.filter((id) => id !== this.#tokenizer.unknownId) : ids;
  }

  /** Cuts the texts so that they and their frame fit. */
  #cut(texts: readonly (readonly number[])[]): readonly (readonly number[])[] {
    const room = Math.max(0, this.#recipe.maxLength - this.#fixed(texts.length));
    if (texts.length === 1) return [texts[0]!.slice(0, room)];
    const [first, second] = fitPair(texts[0]!.length, texts[1]!.length, room);
    return [texts[0]!.slice(0, first), texts[1]!.slice(0, second)];
  }

  /** Number of special tokens around so many texts. */
  #fixed(texts: number): number {
    return this.#recipe.addSpecialTokens ? this.#tokenizer.frames[texts - 1]!.filter((part) => 'id' in part).length : 0;
  }

  /** Texts between their special tokens. */
  #frame(texts: readonly (readonly number[])[]): { ids: number[]; typeIds: number[] } {
    const ids: number[] = [];
    const typeIds: number[] = [];
    for (const part of this.#tokenizer.frames[texts.length - 1]!) {
      const tokens = 'text' in part ? texts[part.text]! : this.#recipe.addSpecialTokens ? [part.id] : [];
      for (const token of tokens) {
        ids.push(token);
        typeIds.push(part.typeId);
      }
    }
    return { ids, typeIds };
  }
}

function assertKnown(id: number, vocabularySize: number): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabularySize) return;
  throw new TransferKitError(
    'bad-config',
    `the tokenizer gives token ${id}, and the network knows tokens 0 to ${vocabularySize - 1}.\n  Fix: the tokenizer belongs to another checkpoint; use the files that were published together.`,
    {
      details: { id, vocabularySize },
    },
  );
}

/** The tokenizer's files, under the names that a saved model carries them by. */
async function tokenizerFiles(file: ProcessorContext['file']): Promise<Map<string, Uint8Array>> {
  for (const folder of folders) {
    const main = await file(`${folder}tokenizer.json`);
    const name = main === undefined ? 'vocab.txt' : 'tokenizer.json';
    const bytes = main ?? (await file(`${folder}vocab.txt`));
    if (bytes === undefined) continue;
    const config = await file(`${folder}tokenizer_config.json`);
    return new Map([[name, bytes], ...(config === undefined ? [] : [['tokenizer_config.json', config] as const])]);
  }
  throw new TransferKitError(
    'not-found',
    'there is no tokenizer: expected tokenizer.json, or vocab.txt of a BERT tokenizer, beside the weights.\n  Fix: add the file from the original checkpoint.',
  );
}

/** A frame whose special tokens alone fill the whole length leaves no room for text. */
function assertRoom(recipe: TextRecipe, tokenizer: TextTokenizer): void {
  const fixed = recipe.addSpecialTokens ? tokenizer.frames[1].filter((part) => 'id' in part) : [];
  fixed.forEach((part) => assertKnown('id' in part ? part.id : -1, recipe.vocabularySize));
  if (recipe.maxLength > fixed.length) return;
  throw new TransferKitError(
    'bad-config',
    `maxLength is ${recipe.maxLength}: expected more than the ${fixed.length} special tokens that are put around two texts.\n  Fix: raise maxLength in the input recipe.`,
  );
}

/**
 * Makes the processor of a text backbone: string, or two strings that belong together -> int32 arrays of [tokens].
 *
 * @param recipe a `TextRecipe`
 * @param context gives `tokenizer.json` or `vocab.txt`, and `tokenizer_config.json` where there is one
 * @throws TransferKitError `not-found` without a tokenizer, `corrupt-file` when it is broken, `too-large`, `missing-package`
 * @example
 * ```ts
 * import { textProcessor, type TextRecipe } from 'transferkit';
 *
 * const recipe: TextRecipe = {
 *   ...{ kind: 'text', maxLength: 64, addSpecialTokens: false, arrays: ['ids', 'mask'], padId: 0, vocabularySize: 7 },
 *   ...{ lowerCase: true, dropUnknown: true, maxCharacters: 10_000 },
 * };
 * const vocabulary = new TextEncoder().encode('[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nred\nrose');
 * const file = (path: string) => Promise.resolve(path === 'vocab.txt' ? vocabulary : undefined);
 * const processor = await textProcessor(recipe, { file });
 * const { arrays } = await processor.encode('a red rose'); // ids [4, 5, 6], mask [1, 1, 1]
 * ```
 */
export async function textProcessor(recipe: InputRecipe, context: Pick<ProcessorContext, 'file'>): Promise<InputProcessor> {
  const settings = checkTextRecipe(recipe);
  const files = await tokenizerFiles(context.file);
  const configFile = files.get('tokenizer_config.json');
  const config: JsonObject = configFile === undefined ? {} : parseJsonObject(configFile, 'tokenizer_config.json');
  const json = files.get('tokenizer.json');
  const description =
    json === undefined ? wordPieceFromVocabulary(files.get('vocab.txt')!, config) : parseJsonObject(json, 'tokenizer.json');
  const tokenizer = await createTokenizer(description, config);
  assertRoom(settings, tokenizer);
  const encoder = new RecipeEncoder(settings, tokenizer);
  const padding: Record<TextArray, number> = { ids: settings.padId, mask: 0, typeIds: 0 };
  // Inside a promise, so that a text that cannot be encoded rejects and never throws at once.
  return {
    recipe: settings,
    files,
    padding: settings.arrays.map((name) => padding[name]),
    freeSize: 'tokens',
    encode: (raw, view) => new Promise((resolve) => resolve(encoder.encode(raw, view))),
    content: (raw) => Promise.resolve(new TextEncoder().encode(JSON.stringify(raw))),
    show: (encoded) => encoder.show(encoded),
  };
}
