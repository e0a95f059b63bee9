import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { augmentTokens } from '../../src/inputs/augment/augment-text.js';
import { imageAugmentation } from '../../src/inputs/augment/image-augmentation.js';
import { textAugmentation, type TextAugmentationOptions } from '../../src/inputs/augment/text-augmentation.js';
import { textProcessor, type TextRecipe } from '../../src/inputs/text.js';
import { expectError } from '../data/expect-error.js';

const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...'a b c d e f g h i j'.split(' '), '##k'];
const recipe = (changes: Partial<TextRecipe> = {}): TextRecipe => ({
  kind: 'text', maxLength: 32, addSpecialTokens: true, arrays: ['ids', 'mask', 'typeIds'], padId: 0, vocabularySize: words.length,
  lowerCase: false, dropUnknown: false, maxCharacters: 1000, ...changes,
}); // prettier-ignore
const file = (path: string) => Promise.resolve(path === 'vocab.txt' ? new TextEncoder().encode(words.join('\n')) : undefined);

async function encode(text: unknown, options: TextAugmentationOptions, seed = 1, changes: Partial<TextRecipe> = {}) {
  const processor = await textProcessor(recipe(changes), { file });
  const view = { augmentation: textAugmentation(options), random: createRandom(seed) };
  const [ids, mask, types] = (await processor.encode(text, view)).arrays.map(({ values }) => Array.from(values));
  return { tokens: ids!.map((id) => words[id]!), mask: mask!, types: types! };
}

const sentence = 'a b c d e f g h i j';
const letters = sentence.split(' ');

describe('tokens of a text', () => {
  const tokens = fc.array(fc.integer({ min: 5, max: 99 }), { maxLength: 60 });
  const options = fc.record({
    dropTokens: fc.double({ min: 0, max: 0.95, noNaN: true }),
    crop: fc.constantFrom([0.1, 0.5], [0.01, 1], [1, 1]),
  });

  it('stay in order, and one of them at least', () => {
    fc.assert(
      fc.property(tokens, options, fc.integer(), (ids, given, seed) => {
        const kept = augmentTokens(ids, textAugmentation(given as never), createRandom(seed));
        expect(kept.length).toBeGreaterThanOrEqual(Math.min(1, ids.length));
        let place = -1;
        for (const id of kept) expect((place = ids.indexOf(id, place + 1))).toBeGreaterThanOrEqual(0);
        expect(augmentTokens(ids, textAugmentation(given as never), createRandom(seed))).toEqual(kept);
      }),
    );
  });

  it('are dropped as often as was said', () => {
    const ids = Array.from({ length: 20_000 }, (_, index) => index);
    expect(augmentTokens(ids, textAugmentation({ dropTokens: 0.3 }), createRandom(3)).length / 20_000).toBeCloseTo(0.7, 1);
    expect(augmentTokens(ids, textAugmentation({ dropTokens: 0 }), createRandom(3))).toEqual(ids);
  });

  it('are cropped to a stretch of the shares given, from any place', () => {
    const ids = Array.from({ length: 40 }, (_, index) => index);
    const stretches = Array.from({ length: 500 }, (_, seed) =>
      augmentTokens(ids, textAugmentation({ crop: [0.25, 0.5] }), createRandom(seed)),
    );
    for (const stretch of stretches) expect(stretch).toEqual(ids.slice(stretch[0], stretch[0]! + stretch.length));
    const lengths = stretches.map(({ length }) => length);
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([10, 20]);
    expect(new Set(stretches.map(([first]) => first)).has(0)).toBe(true);
    expect(Math.max(...stretches.map((stretch) => stretch.at(-1)!))).toBe(39);
  });
});

describe('an augmented text', () => {
  it('keeps its special tokens, and mask and type ids that fit', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const { tokens, mask, types } = await encode(sentence, { dropTokens: 0.5, crop: [0.3, 0.9] }, seed);
      expect([tokens[0], tokens.at(-1)]).toEqual(['[CLS]', '[SEP]']);
      expect(tokens.length).toBeGreaterThanOrEqual(3);
      expect(tokens.slice(1, -1).every((token) => letters.includes(token))).toBe(true);
      expect(mask).toEqual(tokens.map(() => 1));
      expect(types).toEqual(tokens.map(() => 0));
    }
  });

  it('changes both sides of a pair, each by itself', async () => {
    const sides = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const { tokens, types } = await encode(['a b c d e', 'f g h i j'], { dropTokens: 0.6 }, seed);
      expect(tokens.filter((token) => token === '[SEP]')).toHaveLength(2);
      const end = tokens.indexOf('[SEP]');
      const [first, second] = [tokens.slice(1, end), tokens.slice(end + 1, -1)];
      expect(first.length > 0 && second.length > 0).toBe(true);
      expect(first.every((token) => 'abcde'.includes(token)) && second.every((token) => 'fghij'.includes(token))).toBe(true);
      expect(types).toEqual([...Array(end + 1).fill(0), ...Array(second.length + 1).fill(1)]);
      sides.add(`${first.length}-${second.length}`);
    }
    expect(sides.size).toBeGreaterThan(5);
  });

  it('shows other parts of a text that is longer than the network takes', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { tokens } = await encode(sentence, { crop: [0.3, 0.3] }, seed, { maxLength: 5 });
      expect(tokens).toHaveLength(5);
      seen.add(tokens.join(''));
    }
    expect(seen.size).toBe(8);
  });

  it('stays a text without tokens where it was one', async () => {
    const { tokens, mask } = await encode(['', 'a'], { dropTokens: 0.9 });
    expect(tokens).toEqual(['[CLS]', '[SEP]', 'a', '[SEP]']);
    expect(mask).toEqual([1, 1, 1, 1]);
  });

  it('is shown as the tokens that the network reads, without padding', async () => {
    const processor = await textProcessor(recipe(), { file });
    expect(processor.show!(await processor.encode('a bk zz'))).toBe('[CLS] a bk [UNK] [SEP]');
    const bare = await textProcessor(recipe({ addSpecialTokens: false, dropUnknown: true, arrays: ['mask', 'ids'] }), { file });
    expect(bare.show!(await bare.encode('a j'))).toBe('a j');
    expect(bare.show!(await bare.encode('zzz'))).toBe('');
  });

  it('is refused a change that is meant for photos, naming both', async () => {
    const processor = await textProcessor(recipe(), { file });
    const view = { augmentation: imageAugmentation(), random: createRandom(1) };
    await expectError(() => processor.encode(sentence, view), 'bad-option', /takes texts[^]*kind "image"/);
  });
});
