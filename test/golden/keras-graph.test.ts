import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { kerasGraph, type KerasGraphConfig } from '../../src/backbones/keras-graph.js';
import { runGraph } from '../../src/layers/run-graph.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { fillFrom, goldenCase, largestDifference, openGolden } from './image-golden.js';

const folder = fileURLToPath(new URL('keras-graph', import.meta.url));

/** What the network that is cut at a layer makes of the case's input. */
async function outputOf(path: string, input: TensorValue, features: string): Promise<TensorValue> {
  const checkpoint = await openGolden(path);
  const { built } = await fillFrom(checkpoint, { family: kerasGraph, config: { features }, recipe: null });
  const wanted = built.features.map ?? built.features.pooled;
  const [output] = tf.tidy(() => runGraph(new Map([[built.model.inputs[0]!, tf.tensor(input.values, [...input.shape])]]), [wanted]));
  const value = { shape: output!.shape, values: output!.dataSync() as Float32Array };
  output!.dispose();
  built.model.dispose();
  await checkpoint.close();
  return value;
}

describe('keras-graph gives the numbers of Keras, cut at an inner layer and at the output', () => {
  test('there are cases', () => expect(readdirSync(folder).length).toBeGreaterThan(8));

  test.each(readdirSync(folder))('%s', async (name) => {
    const { layer } = JSON.parse(readFileSync(`${folder}/${name}/case.json`, 'utf8')) as { layer: string };
    const { checkpoint, outputs } = await goldenCase(`${folder}/${name}`);
    const opened = await openGolden(checkpoint);
    const config = (await kerasGraph.parse(opened)) as KerasGraphConfig;
    const last = config.calls[config.outputs[0]![0]]!.layer;
    for (const [expected, features] of [[outputs['inner'], layer], [outputs['output'], last]] as const) {
      expect(largestDifference(await outputOf(checkpoint, outputs['input']!, features), expected!), features).toBeLessThan(1e-4);
    }
  });
});
