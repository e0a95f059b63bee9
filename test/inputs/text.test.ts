import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TransferKitError } from '../../src/errors.js';
import { textProcessor } from '../../src/inputs/text.js';
import type { TextRecipe } from '../../src/inputs/text.js';

const words = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  'the',
  'cat',
  'sat',
  'run',
  '##s',
  '##ning',
  'cafe',
  '.',
  ',',
  'a',
  'b',
  'c',
  '中',
  'σασ',
  'Cat',
];
const id = (token: string): number => words.indexOf(token);

const recipe = (changes: Partial<TextRecipe> = {}): TextRecipe => ({
  kind: 'text', maxLength: 16, addSpecialTokens: true, arrays: ['ids', 'mask', 'typeIds'], padId: 0, vocabularySize: words.length,
  lowerCase: false, dropUnknown: false, maxCharacters: 1000, ...changes,
}); // prettier-ignore

type Contents = Readonly<Record<string, string | object>>;

const from = (contents: Contents) => ({
  file: (path: string): Promise<Uint8Array | undefined> => {
    const value = contents[path];
    const text = typeof value === 'object' ? JSON.stringify(value) : value;
    return Promise.resolve(text === undefined ? undefined : new TextEncoder().encode(text));
  },
});

const vocabulary: Contents = { 'vocab.txt': words.join('\n') };

async function encode(text: unknown, changes: Partial<TextRecipe> = {}, contents = vocabulary): Promise<number[][]> {
  const processor = await textProcessor(recipe(changes), from(contents));
  return (await processor.encode(text)).arrays.map((array) => Array.from(array.values));
}

async function failure(action: Promise<unknown>): Promise<TransferKitError> {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!TransferKitError.isInstance(error)) throw new Error(`expected a TransferKitError, received ${String(error)}`);
  return error;
}

describe('a text', () => {
  it('stands between [CLS] and [SEP], with a mask of ones and type ids of zeros', async () => {
    expect(await encode('The cats sat.')).toEqual([
      [2, id('the'), id('cat'), id('##s'), id('sat'), id('.'), 3],
      [1, 1, 1, 1, 1, 1, 1],
      [0, 0, 0, 0, 0, 0, 0],
    ]);
  });

  it('has the arrays that the recipe names, in its order, and their padding', async () => {
    const processor = await textProcessor(recipe({ arrays: ['typeIds', 'ids'], padId: 5 }), from(vocabulary));
    const { arrays, length } = await processor.encode('cat');
    expect(arrays.map(({ shape, values }) => [shape, Array.from(values)])).toEqual([
      [[3], [0, 0, 0]],
      [[3], [2, id('cat'), 3]],
    ]);
    expect(arrays[0]!.values).toBeInstanceOf(Int32Array);
    expect(length).toBe(3);
    expect(processor.padding).toEqual([0, 5]);
  });

  it('is cut so that the special tokens stay', async () => {
    const [ids] = await encode('the cat sat the cat sat the cat sat', { maxLength: 5 });
    expect(ids).toEqual([2, id('the'), id('cat'), id('sat'), 3]);
  });

  it('is normalised as BERT does: case, accents, control characters, ideographs, a final sigma', async () => {
    expect((await encode('CAFÉ\u0000\u200b 中cat\tΣΑΣ'))[0]).toEqual([2, id('cafe'), id('中'), id('cat'), id('σασ'), 3]);
  });

  it('keeps case where tokenizer_config.json says so', async () => {
    expect((await encode('Cat', {}, { ...vocabulary, 'tokenizer_config.json': { do_lower_case: false } }))[0]).toEqual([2, id('Cat'), 3]);
  });

  it('is lower-cased before the tokenizer where the recipe says so', async () => {
    expect((await encode('Cat', { lowerCase: true }, { ...vocabulary, 'tokenizer_config.json': { do_lower_case: false } }))[0]).toEqual([
      2,
      id('cat'),
      3,
    ]);
  });

  it('without known tokens is one masked place when unknown ones are dropped', async () => {
    expect(await encode('zzz qqq', { addSpecialTokens: false, dropUnknown: true })).toEqual([[0], [0], [0]]);
    expect((await encode('zzz cat', { addSpecialTokens: false, dropUnknown: true }))[0]).toEqual([id('cat')]);
  });

  it('is cut by characters, not by code units, where the recipe says so', async () => {
    expect((await encode('😀😀 cat cat', { cutCharacters: 6 }))[0]).toEqual([2, 1, id('cat'), 3]);
  });

  it('of white space only has no tokens of its own', async () => {
    expect((await encode(' \n\t '))[0]).toEqual([2, 3]);
  });
});

describe('a pair of texts', () => {
  it('has a [SEP] behind each and type ids 0 and 1', async () => {
    const [ids, , typeIds] = await encode(['the cat', 'sat']);
    expect(ids).toEqual([2, id('the'), id('cat'), 3, id('sat'), 3]);
    expect(typeIds).toEqual([0, 0, 0, 0, 1, 1]);
  });

  it('keeps its frame when one is empty', async () => {
    expect((await encode(['cat', '']))[0]).toEqual([2, id('cat'), 3, 3]);
  });

  it.each([
    // a alone is cut while it is the longer; then both have half, the second the odd one
    [6, 1, 10, 6, 1],
    [1, 6, 9, 1, 5],
    [6, 2, 9, 4, 2],
    [5, 5, 8, 2, 3],
    [6, 5, 10, 4, 3],
    [5, 6, 10, 3, 4],
  ])('of %i and %i tokens in %i places keeps %i and %i', async (first, second, maxLength, keptFirst, keptSecond) => {
    const repeat = (word: string, count: number): string => Array.from({ length: count }, () => word).join(' ');
    const [ids] = await encode([repeat('a', first), repeat('b', second)], { maxLength });
    const count = (token: string): number => ids!.filter((value) => value === id(token)).length;
    expect([count('a'), count('b')]).toEqual([Math.min(first, keptFirst), Math.min(second, keptSecond)]);
    expect(ids!.length).toBeLessThanOrEqual(maxLength);
  });
});

describe('any text', () => {
  it('gives ids of the vocabulary, never more than the length, framed', async () => {
    const processor = await textProcessor(recipe({ maxLength: 12 }), from(vocabulary));
    const text = fc
      .oneof(
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.string({ unit: fc.constantFrom(...words, ' ', '\ud800', '[', ']'), minLength: 1 }),
      )
      .filter((value) => value !== '');
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const ids = Array.from((await processor.encode(value)).arrays[0]!.values);
        expect(ids.length).toBeLessThanOrEqual(12);
        expect(ids.every((token) => token >= 0 && token < words.length)).toBe(true);
        expect([ids[0], ids.at(-1)]).toEqual([2, 3]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is no text', () => {
  it.each([
    [Number.NaN, 'the number NaN'],
    ['', 'an empty string'],
    [null, 'received null'],
    [undefined, 'received nothing'],
    [['a', 'b', 'c'], 'an array of 3'],
    [['a', 7], 'an array of 2 ("a", the number 7)'],
    [['', ''], 'an array of 2'],
    [new Date(0), '[object Date]'],
  ])('%s is refused by name', async (value, said) => {
    const error = await failure(encode(value));
    expect(error.code).toBe('bad-input');
    expect(error.message).toContain(said);
    expect(error.message).toContain('Fix:');
  });

  it('a text over the cap is too-large', async () => {
    const error = await failure(encode('x'.repeat(1001)));
    expect(error.code).toBe('too-large');
    expect(error.message).toContain('1001 characters: expected at most 1000');
  });
});

describe('tokenizer files', () => {
  it('are carried along, so that the same processor is made of them again', async () => {
    const first = await textProcessor(
      recipe(),
      from({ ...vocabulary, 'tokenizer_config.json': { do_lower_case: false }, 'other.json': {} }),
    );
    expect([...first.files.keys()].sort()).toEqual(['tokenizer_config.json', 'vocab.txt']);
    const second = await textProcessor(first.recipe, { file: (path) => Promise.resolve(first.files.get(path)) });
    expect(await second.encode('the Cat sat')).toEqual(await first.encode('the Cat sat'));
  });

  it('are found in a sentence-transformers subfolder and carried under their plain name', async () => {
    const processor = await textProcessor(recipe(), from({ '0_Transformer/vocab.txt': words.join('\n') }));
    expect([...processor.files.keys()]).toEqual(['vocab.txt']);
  });

  it.each<[string, Contents, string, string]>([
    ['none at all', {}, 'not-found', 'there is no tokenizer'],
    ['not JSON', { 'tokenizer.json': '{"model":' }, 'corrupt-file', 'tokenizer.json'],
    ['a list', { 'tokenizer.json': '[]' }, 'corrupt-file', 'an array'],
    ['an unknown model', { 'tokenizer.json': { model: { type: 'Sorcery' } } }, 'corrupt-file', 'does not describe a tokenizer'],
    [
      'an unknown part',
      { 'tokenizer.json': { pre_tokenizer: { type: 'Sorcery' }, model: { type: 'WordPiece', vocab: {}, unk_token: 'u' } } },
      'corrupt-file',
      'Sorcery',
    ],
    ['a vocabulary without [CLS]', { 'vocab.txt': 'a\nb\n[UNK]\n[SEP]' }, 'corrupt-file', 'lacks [CLS]'],
    ['an empty vocabulary', { 'vocab.txt': '' }, 'corrupt-file', 'has 0 lines'],
    ['a broken tokenizer_config.json', { ...vocabulary, 'tokenizer_config.json': 'nonsense' }, 'corrupt-file', 'tokenizer_config.json'],
  ])('%s: refused', async (_, contents, code, said) => {
    const error = await failure(encode('cat', {}, contents));
    expect(error.code).toBe(code);
    expect(error.message).toContain(said);
  });

  it('that give tokens beyond the table are refused', async () => {
    const error = await failure(
      encode('Cat', { vocabularySize: 10 }, { ...vocabulary, 'tokenizer_config.json': { do_lower_case: false } }),
    );
    expect(error.code).toBe('bad-config');
    expect(error.message).toContain('the tokenizer gives token 19, and the network knows tokens 0 to 9');
  });

  it('whose special tokens leave no room are refused', async () => {
    const error = await failure(encode('cat', { maxLength: 3 }));
    expect(error.code).toBe('bad-config');
    expect(error.message).toContain('maxLength is 3: expected more than the 3 special tokens');
  });

  it('tokenizer_config.json has the last word on a BERT normaliser', async () => {
    const tokenizer = {
      normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        vocab: Object.fromEntries(words.map((word, index) => [word, index])),
      },
    };
    expect((await encode('Cat', {}, { 'tokenizer.json': tokenizer }))[0]).toEqual([id('cat')]);
    expect(
      (
        await encode(
          'Cat',
          {},
          { 'tokenizer.json': tokenizer, 'tokenizer_config.json': { tokenizer_class: 'BertTokenizer', do_lower_case: false } },
        )
      )[0],
    ).toEqual([id('Cat')]);
  });

  it('a normaliser inside a sequence is replaced too', async () => {
    const tokenizer = {
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'NFC' },
          { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
        ],
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        vocab: Object.fromEntries(words.map((word, index) => [word, index])),
      },
    };
    expect((await encode('ΣΑΣ', {}, { 'tokenizer.json': tokenizer }))[0]).toEqual([id('σασ')]);
  });
});

const published = new URL('../../../shared/data/tokenizers/bert-uncased/vocab.txt', import.meta.url);
if (!existsSync(published)) console.log('skipped: the published BERT vocabulary is not here');

describe.skipIf(!existsSync(published))('the published BERT vocabulary', () => {
  const processor = () =>
    textProcessor(recipe({ vocabularySize: 30522, maxLength: 512, maxCharacters: 1_000_000 }), {
      file: (path) => Promise.resolve(path === 'vocab.txt' ? new Uint8Array(readFileSync(published)) : undefined),
    });

  it('encodes as the reference does', async () => {
    const { arrays } = await (await processor()).encode('Hello world, unaffable ΟΔΥΣΣΕΥΣ!');
    // transformers 4: BertTokenizerFast of bert-base-uncased
    expect(Array.from(arrays[0]!.values).slice(0, 8)).toEqual([101, 7592, 2088, 1010, 14477, 20961, 3468, 1169]);
  });

  it('encodes a thousand sentences in well under a second, and a million characters without end in sight', async () => {
    const made = await processor();
    const start = performance.now();
    for (let index = 0; index < 1000; index++)
      await made.encode(`sentence number ${index} says that the quick brown fox jumps over the lazy dog`);
    expect(performance.now() - start).toBeLessThan(2000);
    expect((await made.encode('x'.repeat(1_000_000))).length).toBe(3);
    expect((await made.encode('é!'.repeat(500_000))).length).toBe(512);
  });
});
