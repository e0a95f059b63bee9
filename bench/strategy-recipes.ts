import type { Strategy } from 'transferkit';

/** What suits each kind of network: peak rate of the last group, and how it shrinks towards the input. */
const habits = {
  image: { base: 1e-4, layerDecay: 0.9, groups: 18 },
  text: { base: 5e-5, layerDecay: 0.8, groups: 7 },
} as const;

/** A power of two that gives at least some 32 steps an epoch, as the plan of a run has it. */
function batchFor(examples: number, largest: number): number {
  let size = 8;
  while (size < largest && size * 32 < examples) size *= 2;
  return size;
}

/**
 * The strategies of the comparison with every number written out, so that PyTorch can follow the same plain data. `image` is for
 * MobileNetV2 with its 18 layer groups, `text` for a BERT of six layers with its 7.
 */
export function strategiesFor(modality: 'image' | 'text', examples: number): Readonly<Record<string, Strategy>> {
  const { base, layerDecay, groups } = habits[modality];
  const cosine = { kind: 'cosine', warmup: 0.1 } as const;
  const alone = {
    name: 'head',
    unfreeze: 'none',
    rates: { head: 1e-3 },
    schedule: cosine,
    weightDecay: 1,
    batchSize: batchFor(examples, 64),
  } as const;
  const together = { name: 'fine-tune', epochs: 3, schedule: cosine, weightDecay: 0.01, batchSize: batchFor(examples, 16) } as const;
  const decayed = { head: 1e-3, base, layerDecay };
  const parts = [1, 2, 3, 4].map((part) => Math.round((part * groups) / 4));
  const named = (name: string, stages: Strategy['stages']): Strategy => ({ name, stages });
  return {
    head: named('head', [{ ...alone, epochs: 50 }]),
    last: named('last', [
      { ...alone, epochs: 10 },
      { ...together, unfreeze: { last: 2 }, rates: { head: 1e-3, base } },
    ]),
    all: named('all', [
      { ...alone, epochs: 10 },
      { ...together, unfreeze: 'all', rates: decayed },
    ]),
    fastai: named('fastai', [
      { ...alone, epochs: 1, rates: { head: 2e-3 }, schedule: { kind: 'one-cycle', warmup: 0.99 }, weightDecay: 0.01 },
      { ...together, unfreeze: 'all', epochs: 4, rates: { from: 1e-5, to: 1e-3 }, schedule: { kind: 'one-cycle', warmup: 0.3 } },
    ]),
    gradual: named('gradual', [
      { ...alone, epochs: 2 },
      ...parts.map((last, index) => ({ ...together, name: `unfreeze-${index + 1}`, epochs: 1, unfreeze: { last }, rates: decayed })),
    ]),
    probe: named('probe', [
      { name: 'head', unfreeze: 'none', solve: 'logistic-regression', strength: 1 },
      { ...together, unfreeze: 'all', rates: { ...decayed, head: 1e-4 } },
    ]),
    lora: named('lora', [
      { ...alone, epochs: 10 },
      { ...together, name: 'adapter', unfreeze: 'none', adapter: true, rates: { head: 1e-3, adapter: 5e-4 } },
    ]),
  };
}
