import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import { checkTextRecipe } from '../inputs/check-text-recipe.js';
import type { EncodedInput } from '../inputs/input.js';
import type { TextArray, TextRecipe } from '../inputs/text.js';
import { jsonBytes } from '../saving/saved-parts.js';
import type { EntryInput, ExportEntry } from './entry.js';
import type { ExportSubject } from './export-subject.js';
import { loadedTokenizer, specialTokens, tokenizerConfig, tokenizerJson, unknownId } from './tokenizer-json.js';

/** The names that transformers has for what a text becomes. */
const names: Readonly<Record<TextArray, string>> = { ids: 'input_ids', mask: 'attention_mask', typeIds: 'token_type_ids' };

/** A text of some tokens as the network takes it. */
function encoded({ arrays }: TextRecipe, ids: readonly number[], mask: readonly number[]): EncodedInput {
  const rows: Record<TextArray, readonly number[]> = { ids, mask, typeIds: ids.map(() => 0) };
  return { arrays: arrays.map((name) => ({ shape: [ids.length], values: Int32Array.from(rows[name]) })), length: ids.length };
}

/** How far features may lie apart that should be equal. */
const tolerance = 1e-4;

/**
 * Unknown tokens that TransferKit leaves out are masked in the graph. That is the same only for networks that do not look at places,
 * which is tried.
 * @throws TransferKitError `unsupported` for others
 */
async function checkMasking({ base }: ExportSubject, recipe: TextRecipe, unknown: number): Promise<void> {
  const [first, second] = [...Array(recipe.vocabularySize).keys()].filter((id) => id !== unknown).slice(-2) as [number, number];
  const texts = [encoded(recipe, [first, second], [1, 1]), encoded(recipe, [first, unknown, second], [1, 0, 1])];
  const [without, masked] = (await base.features(texts, ['pooled'])).map(([pooled]) => pooled!.values);
  if (recipe.arrays.includes('mask') && without!.every((value, index) => Math.abs(value - masked![index]!) <= tolerance)) return;
  throw new TransferKitError(
    'unsupported',
    `${base.parts.family.name} leaves out tokens that its vocabulary lacks, and looks at the places of the others: no graph can do that.\n` +
      `  Expected: a network for which a masked token is as good as none\n  Fix: load it with loadPretrained({ source, input: { dropUnknown: false } }) and train its head again.`,
  );
}

function notesOf({ addSpecialTokens, maxLength, cutCharacters }: TextRecipe): string[] {
  const notes: string[] = [];
  if (addSpecialTokens)
    notes.push(`A text of more than ${maxLength} tokens may lose its last special token in other libraries; TransferKit keeps it.`);
  if (cutCharacters !== undefined)
    notes.push(`TransferKit reads the first ${cutCharacters} characters of a text; other libraries read up to ${maxLength} tokens.`);
  return notes;
}

function preparationOf(recipe: TextRecipe, inputs: readonly EntryInput[], unknown: number | undefined): string {
  const frame = recipe.addSpecialTokens ? 'special tokens included' : 'without special tokens';
  const masked = unknown === undefined ? '' : ` The graph masks token ${unknown}, which stands for what the vocabulary lacks.`;
  return `Token ids by tokenizer.json, ${frame}, at most ${recipe.maxLength}; ${inputs.map(({ name }) => name).join(', ')} are int64 [batch, tokens].${masked}`;
}

/** Token ids, mask and types as transformers makes them: int64 [batch, tokens]; the network takes int32. */
export async function textEntry(subject: ExportSubject): Promise<ExportEntry> {
  const { recipe: given, files } = subject.base.parts.processor;
  const recipe = checkTextRecipe(given);
  const loaded = loadedTokenizer(files);
  const unknown = recipe.dropUnknown ? unknownId(loaded.json) : undefined;
  if (unknown !== undefined) await checkMasking(subject, recipe, unknown);
  const inputs = recipe.arrays.map((name): EntryInput => ({ name: names[name], type: 'int64', shape: ['batch', 'tokens'] }));
  const place = (name: TextArray): number => recipe.arrays.indexOf(name);
  return {
    inputs,
    enter: (tensors) => {
      if (unknown === undefined) return [...tensors];
      const known = tf.cast(tf.notEqual(tensors[place('ids')]!, tf.scalar(unknown, 'int32')), 'int32');
      return tensors.map((tensor, index) => (index === place('mask') ? tf.mul(tensor, known) : tensor));
    },
    files: new Map([
      ...files,
      ['tokenizer.json', jsonBytes(tokenizerJson(loaded, recipe))],
      ['tokenizer_config.json', jsonBytes(tokenizerConfig(loaded, recipe))],
      ['special_tokens_map.json', jsonBytes(specialTokens(loaded, recipe))],
    ]),
    preparation: preparationOf(recipe, inputs, unknown),
    notes: notesOf(recipe),
  };
}
