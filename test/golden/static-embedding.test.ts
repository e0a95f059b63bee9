import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { staticEmbedding } from '../../src/backbones/static-embedding.js';
import { featuresOf, fillText, largestDifference, textCase } from './text-golden.js';

const root = fileURLToPath(new URL('static-embedding', import.meta.url));

describe.each(readdirSync(root))('static-embedding, %s: from the raw text on', (name) => {
  it('the tokens and the vectors are the same', async () => {
    const golden = await textCase(`${root}/${name}`);
    const filled = await fillText(staticEmbedding, golden);
    const encoded = await Promise.all(golden.texts.map((text) => filled.processor.encode(text)));
    const kept = encoded.map(({ arrays }) => Array.from(arrays[0]!.values).filter((_, index) => arrays[1]!.values[index] === 1));
    expect(kept.map((ids) => ids.length)).toEqual(Array.from(golden.expected['lengths']!.values));
    expect(kept.flat()).toEqual(Array.from(golden.expected['ids']!.values));
    const difference = largestDifference(featuresOf(filled, encoded).pooled, golden.expected['embeddings']!);
    expect(difference).toBeLessThan(1e-4);
    filled.built.model.dispose();
  });
});
