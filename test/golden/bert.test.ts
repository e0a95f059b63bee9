import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bert } from '../../src/backbones/bert.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { batchOf, featuresOf, fillText, largestDifference, textCase } from './text-golden.js';

const root = fileURLToPath(new URL('bert', import.meta.url));

/** What the reference calls the pooled vector, by the pooling that gives it. */
const poolings = { mean: 'mean', pooler_output: 'pooler' } as const;

describe.each(readdirSync(root))('bert, %s: from the raw text on', (name) => {
  const load = async (over = {}) => {
    const golden = await textCase(`${root}/${name}`);
    return { golden, filled: await fillText(bert, golden, over) };
  };
  const compare = (what: string, ours: TensorValue, theirs: TensorValue): void => {
    expect(largestDifference(ours, theirs), what).toBeLessThan(1e-4);
  };

  it('the tokens are the same', async () => {
    const { golden, filled } = await load();
    const encoded = await Promise.all(golden.texts.map((text) => filled.processor.encode(text)));
    const batch = batchOf(filled, encoded);
    const names = { ids: 'input_ids', mask: 'attention_mask', typeIds: 'token_type_ids' } as const;
    for (const [ours, theirs] of Object.entries(names)) expect(Array.from(batch[ours]!.values), theirs).toEqual(Array.from(golden.expected[theirs]!.values));
    if (golden.pairs.length > 0) {
      const pairs = batchOf(filled, await Promise.all(golden.pairs.map((pair) => filled.processor.encode(pair))));
      for (const [ours, theirs] of Object.entries(names)) expect(Array.from(pairs[ours]!.values), theirs).toEqual(Array.from(golden.expected[`pair.${theirs}`]!.values));
    }
    filled.built.model.dispose();
  });

  it('every hidden state is the same, padding included, and the pooled vector', async () => {
    const { golden, filled } = await load();
    const encoded = await Promise.all(golden.texts.map((text) => filled.processor.encode(text)));
    const { pooled, sequence } = featuresOf(filled, encoded);
    compare('last_hidden_state', sequence, golden.expected['last_hidden_state']!);
    const vector = golden.expected['sentence_embedding'];
    if (vector !== undefined) compare('sentence_embedding', pooled, vector);
    filled.built.model.dispose();
  });

  it.each(Object.entries(poolings))('%s is the same, of texts and of pairs', async (theirs, pooling) => {
    const { golden } = await load();
    if (golden.expected[theirs] === undefined) return;
    const filled = await fillText(bert, golden, { pooling, normalize: false });
    const ours = async (inputs: readonly unknown[]): Promise<TensorValue> => featuresOf(filled, await Promise.all(inputs.map((text) => filled.processor.encode(text)))).pooled;
    compare(theirs, await ours(golden.texts), golden.expected[theirs]);
    if (golden.pairs.length > 0) compare(`pair.${theirs}`, await ours(golden.pairs), golden.expected[`pair.${theirs}`]!);
    filled.built.model.dispose();
  });
});
