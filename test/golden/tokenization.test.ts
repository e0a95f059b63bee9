import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { textProcessor } from '../../src/inputs/text.js';
import type { TextRecipe } from '../../src/inputs/text.js';

const root = fileURLToPath(new URL('tokenization', import.meta.url));

interface Expected {
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[]; readonly bare: readonly number[] }[];
  readonly pairs: readonly { readonly texts: readonly [string, string]; readonly ids: readonly number[]; readonly type_ids: readonly number[] }[];
}

const recipe = (addSpecialTokens: boolean): TextRecipe => ({
  kind: 'text',
  maxLength: 512,
  addSpecialTokens,
  arrays: ['ids', 'mask', 'typeIds'],
  padId: 0,
  vocabularySize: 1000,
  lowerCase: false,
  dropUnknown: false,
  maxCharacters: 1000,
});

/**
 * Characters that changed their class after the Unicode version of the reference's tables; the platform's are newer. U+061D is
 * punctuation since Unicode 14, so that we split there and the reference does not.
 */
const newer = /[\u061d]/;

describe.each(readdirSync(root))('tokenization, %s', (name) => {
  const expected = JSON.parse(readFileSync(`${root}/${name}/expected.json`, 'utf8')) as Expected;
  const read = (path: string): Uint8Array | undefined => (readdirSync(`${root}/${name}/checkpoint`).includes(path) ? new Uint8Array(readFileSync(`${root}/${name}/checkpoint/${path}`)) : undefined);

  it.each([
    ['tokenizer.json', ['tokenizer.json', 'tokenizer_config.json']],
    ['vocab.txt alone', ['vocab.txt', 'tokenizer_config.json']],
  ])('gives the ids of the reference, from %s', async (_, files) => {
    const file = (path: string): Promise<Uint8Array | undefined> => Promise.resolve(files.includes(path) ? read(path) : undefined);
    const [framed, bare] = await Promise.all([textProcessor(recipe(true), { file }), textProcessor(recipe(false), { file })]);
    const wrong: unknown[] = [];
    for (const row of expected.texts.filter(({ text }) => text !== '' && !newer.test(text))) {
      const ids = Array.from((await framed.encode(row.text)).arrays[0]!.values);
      const { arrays } = await bare.encode(row.text);
      const plain = Array.from(arrays[0]!.values).filter((_id, index) => arrays[1]!.values[index] === 1);
      if (ids.join() !== row.ids.join() || plain.join() !== row.bare.join()) wrong.push({ text: row.text, ids, expected: row.ids, plain, bare: row.bare });
    }
    expect(wrong).toEqual([]);
    expect(expected.texts.filter(({ text }) => newer.test(text))).toHaveLength(1);
    for (const { texts, ids, type_ids } of expected.pairs) {
      const { arrays } = await framed.encode(texts);
      expect([Array.from(arrays[0]!.values), Array.from(arrays[2]!.values)]).toEqual([ids, type_ids]);
    }
  });
});
