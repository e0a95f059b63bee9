import { test } from 'vitest';
import { classification } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { classificationHead } from 'transferkit/heads/classification';
import { testHead, tinySamples } from 'transferkit/testing';
import { similarity, similarityHead } from '../../examples/plugins/similarity-head.js';

const samples = tinySamples(bert).items.map((item) => item.input as unknown as string);

testHead(
  {
    backbone: bert,
    definition: classificationHead,
    make: () => classification(['even', 'odd']),
    examples: samples.map((input, index) => ({ input, target: index % 2 === 0 ? 'even' : 'odd' })),
    badTarget: 'neither',
  },
  { test },
);

testHead(
  {
    backbone: bert,
    definition: similarityHead,
    make: () => similarity({ scale: [0, 5] }),
    examples: samples.map((input, index) => ({
      input: [input, samples[(index + 1) % samples.length]!],
      target: index % 2 === 0 ? 0.5 : 4.5,
    })),
    badTarget: 'close',
  },
  { test },
);
