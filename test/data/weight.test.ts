import { describe, expect, it } from 'vitest';
import { createDataset } from '../../src/data/create-dataset.js';
import { examples } from '../../src/data/examples.js';
import { table } from '../../src/data/table.js';
import { expectError } from './expect-error.js';

const weights = (data: { readonly items: readonly { readonly weight?: number }[] }) => data.items.map(({ weight }) => weight);

describe('weights of examples', () => {
  it('are kept, and absent where none was given', () => {
    const data = examples([
      { text: 'a', label: 'x', weight: 2 },
      { text: 'b', label: 'y' },
      { text: 'c', label: 'y', weight: 0 },
    ]);
    expect(weights(data)).toEqual([2, undefined, 0]);
    expect('weight' in data.items[1]!).toBe(false);
  });

  it('stay with their example through split, shuffle, take and filter', () => {
    const data = examples(
      Array.from({ length: 40 }, (_, index) => ({ id: String(index), text: 'a', label: index % 2 ? 'x' : 'y', weight: index })),
    );
    const { train, validation, test } = data.split({ validation: 0.2, test: 0.2 });
    for (const part of [train, validation, test, data.shuffle(3), data.take(7), data.filter(({ weight }) => weight! > 20)]) {
      expect(part.length).toBeGreaterThan(0);
      expect(weights(part)).toEqual(part.items.map(({ id }) => Number(id)));
    }
  });

  it('are numbers from 0 on, or the example is named', async () => {
    for (const weight of [-1, Number.NaN, Infinity, '2', null])
      await expectError(() => examples([{ text: 'a', label: 'x' }, { text: 'b', label: 'y', weight: weight as never }]), 'bad-data', /example 1[^]*a number of at least 0/, String(weight)); // prettier-ignore
    const items = [{ id: 'mine.jpg', input: 'mine.jpg', target: 'x', weight: -3 }];
    await expectError(
      () => createDataset({ modality: 'image', items, origin: 'by hand' }),
      'bad-data',
      /weight of mine\.jpg of by hand[^]*-3/,
    );
  });
});

describe('the weight column of a table', () => {
  const csv = 'body,team,trust\na,x,0.5\nb,y,2\nc,y,0\n';

  it('is read as numbers, and only where it is named', async () => {
    expect(weights(await table(csv, { text: 'body', label: 'team', weight: 'trust' }))).toEqual([0.5, 2, 0]);
    expect(weights(await table(csv, { text: 'body', label: 'team' }))).toEqual([undefined, undefined, undefined]);
    expect(weights(await table('{"text":"a","label":"x","w":3}\n', { weight: 'w' }))).toEqual([3]);
    expect(weights(await table('text,score,w\na,0.5,2\n', { target: 'score', weight: 'w' }))).toEqual([2]);
  });

  it('is taken for nothing else: the other two are still guessed', async () => {
    const { items } = await table('stuff,label,text\na,x,0.5\nb,y,2\n', { weight: 'text' });
    expect(items[0]).toEqual({ id: 'row 2', input: 'a', target: 'x', weight: 0.5 });
  });

  it('names the row whose weight is none, or leaves it out', async () => {
    const broken = 'text,label,w\na,x,1\nb,y,-1\nc,y,\nd,y,much\n';
    const said = [/row 3 of/, /column "w" holds "-1" instead of a number of at least 0/];
    await expectError(() => table(broken, { weight: 'w' }), 'bad-data', ...said);
    const data = await table(broken, { weight: 'w', onBadItem: 'skip' });
    expect(weights(data)).toEqual([1]);
    expect(data.skipped.map(({ reason }) => reason)).toEqual([/"-1"/, /""/, /"much"/].map((piece) => expect.stringMatching(piece)));
    await expectError(
      () => table(csv, { text: 'body', label: 'team', weight: 'trusst' }),
      'bad-data',
      'no column "trusst"',
      'Did you mean "trust"',
    );
  });
});
