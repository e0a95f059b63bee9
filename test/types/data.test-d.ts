import { expectTypeOf, test } from 'vitest';
import { examples, imageFolder, table, type Dataset } from '../../src/data/index.js';
import { openData } from '../../src/data/open-data.js';

test('labels of examples are typed by their literals', () => {
  const pets = examples([
    { image: 'a.jpg', label: 'cat' },
    { image: 'b.jpg', label: 'dog' },
  ]);
  expectTypeOf(pets).toEqualTypeOf<Dataset<'image', 'cat' | 'dog'>>();
  expectTypeOf(pets.labels).toEqualTypeOf<readonly ('cat' | 'dog')[]>();
  expectTypeOf(pets.split({ test: 0.2 }).test).toEqualTypeOf<Dataset<'image', 'cat' | 'dog'>>();
  expectTypeOf(pets.classCounts()).toEqualTypeOf<Readonly<Record<'cat' | 'dog', number>>>();
});

test('labels that are not known beforehand are strings, numbers stay numbers', () => {
  const rows: { body: string; team: string }[] = [];
  expectTypeOf(examples(rows.map((row) => ({ text: row.body, label: row.team })))).toEqualTypeOf<Dataset<'text', string>>();
  expectTypeOf(
    examples([
      { text: ['a', 'b'], target: 0.5 },
      { text: ['a', 'c'], target: 1 },
    ]),
  ).toEqualTypeOf<Dataset<'text', number>>();
});

test('async iterables give a promise', () => {
  async function* source() {
    await Promise.resolve();
    yield { text: 'a', label: 'x' as const };
    yield { text: 'b', label: 'y' as const };
  }
  expectTypeOf(examples(source())).toEqualTypeOf<Promise<Dataset<'text', 'x' | 'y'>>>();
});

test('a neutral input takes its modality from the options', () => {
  expectTypeOf(examples([{ input: 'a.jpg', label: 'x' }], { modality: 'image' })).toEqualTypeOf<Dataset<'image', 'x'>>();
});

test('tables and folders', () => {
  expectTypeOf(imageFolder('photos')).toEqualTypeOf<Promise<Dataset<'image', string>>>();
  expectTypeOf(table('a.csv', { text: 'body', label: 'team' })).toEqualTypeOf<Promise<Dataset<'text', string>>>();
  expectTypeOf(table('a.csv')).toEqualTypeOf<Promise<Dataset<'text', string>>>();
  expectTypeOf(table('a.csv', { target: 'score' })).toEqualTypeOf<Promise<Dataset<'text', number>>>();
  // @ts-expect-error a label is the name of a column
  void table('a.csv', { label: 3 });
});

test('openData keeps the labels of a data set', () => {
  const data = examples([{ text: 'a', label: 'x' }]);
  expectTypeOf(openData(data, 'text')).toEqualTypeOf<Promise<Dataset<'text', 'x'>>>();
  // @ts-expect-error the modalities differ
  void openData(data, 'image');
});
