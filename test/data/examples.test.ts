import { describe, expect, it } from 'vitest';
import { examples } from '../../src/data/examples.js';
import { expectError } from './expect-error.js';

const reviews = [
  { text: 'A joy.', label: 'good' },
  { text: 'I left.', label: 'bad' },
] as const;

async function* later<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

describe('examples', () => {
  it('takes arrays, iterables and async iterables', async () => {
    const expected = [
      { id: 'example 0', input: 'A joy.', target: 'good' },
      { id: 'example 1', input: 'I left.', target: 'bad' },
    ];
    expect(examples(reviews).items).toEqual(expected);
    expect(examples(new Set(reviews)).items).toEqual(expected);
    expect((await examples(later(reviews))).items).toEqual(expected);
    expect(examples(reviews)).toMatchObject({ modality: 'text', labels: ['bad', 'good'], origin: 'examples in memory' });
  });

  it('takes photos, pairs, numbers and names', () => {
    expect(examples([{ id: 'a.jpg', image: 'a.jpg', label: 'cat' }])).toMatchObject({
      modality: 'image',
      items: [{ id: 'a.jpg', input: 'a.jpg' }],
    });
    expect(examples([{ text: ['a', 'b'], target: 0.5 }]).items[0]).toMatchObject({ input: ['a', 'b'], target: 0.5 });
    expect(examples([{ input: ['a', 'b'], target: 1 }], { modality: 'text', onBadItem: 'skip', origin: 'mine' })).toMatchObject({
      modality: 'text',
      origin: 'mine',
    });
  });

  it('names the example that is not one', async () => {
    await expectError(() => examples([reviews[0], 'x' as never]), 'bad-data', 'example 1', 'Received: x');
    await expectError(() => examples([{ label: 'a' } as never]), 'bad-data', 'one of text, image, input', '{ label }');
    await expectError(() => examples([{ text: 'a', image: 'b', label: 'a' } as never]), 'bad-data', 'one of text, image, input');
    await expectError(() => examples([{ text: 'a' } as never]), 'bad-data', 'one of label, target');
    await expectError(() => examples([{ text: 'a', label: 3 } as never]), 'bad-data', 'a label that is a string');
    await expectError(
      () => examples([reviews[0], { image: 'a', label: 'b' } as never]),
      'bad-data',
      'example 1',
      'text, as the examples before it',
    );
    await expectError(() => examples([{ text: 'a', label: 'b' }], { modality: 'image' }), 'bad-data', 'image, as the option modality says');
    await expectError(() => examples([{ input: 'a', label: 'b' } as never]), 'bad-option', 'needs the option modality');
    await expectError(() => examples([]), 'bad-data', 'received nothing');
    await expectError(() => examples(later([1 as never])), 'bad-data', 'example 0');
    await expectError(() => examples(reviews, { orign: 'x' } as never), 'bad-option', 'Did you mean "origin"');
  });
});
