/** Adapters that the Python package PEFT wrote, on the published bases: the same features, and the same gradients. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadAdapter } from '../../src/load-adapter.js';
import { collateInputs } from '../../src/inference/run-examples.js';
import { runGraph, type RunOptions } from '../../src/layers/run-graph.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import type { Base } from '../../src/base.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { memoryFile } from '../../src/weights/byte-file.js';
import { readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';

const golden = fileURLToPath(new URL('../golden/', import.meta.url));

async function readCase(name: string) {
  const folder = `${golden}peft/${name}`;
  const { base, inputs } = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8')) as { base: string; inputs: string[] };
  const file = memoryFile(readFileSync(`${folder}/expected.safetensors`));
  const { tensors } = await readSafetensorsHeader(file);
  const expected = new Map<string, TensorValue>();
  for (const [output, tensor] of tensors) expected.set(output, await readTensor(file, tensor));
  return { folder, checkpoint: `${golden}${base}/checkpoint`, inputs, expected };
}

/** The encoded inputs of a case as batch tensors by the network's inputs; the caller disposes them. */
async function feedsOf({ parts: { built, processor } }: Base, inputs: readonly string[]) {
  const raw = inputs.map((input) => (/\.(png|jpg)$/.test(input) ? `${golden}inputs/${input}` : input === '' ? ' ' : input));
  const tensors = collateInputs(await Promise.all(raw.map((input) => processor.encode(input))), processor.padding);
  return new Map(built.model.inputs.map((input, index) => [input, tensors[index]!]));
}

/** The last hidden state with the axes of PyTorch. */
function states(base: Base, feeds: Awaited<ReturnType<typeof feedsOf>>, options: RunOptions): tf.Tensor {
  const { features } = base.parts.built;
  const [output] = runGraph(feeds, [features.sequence ?? features.map!], options) as [tf.Tensor];
  return output.rank === 4 ? tf.transpose(output, [0, 3, 1, 2]) : output;
}

/** Largest difference of all numbers. */
function difference(ours: { shape: readonly number[]; values: ArrayLike<number> }, theirs: TensorValue): number {
  expect(ours.shape).toEqual(theirs.shape);
  return Array.from(ours.values).reduce((largest, value, index) => Math.max(largest, Math.abs(value - theirs.values[index]!)), 0);
}

const quiet = { training: () => false };

beforeAll(() => runtime.chooseBackend('wasm'));

const cases = ['bert-lora', 'bert-dora', 'bert-patterns', 'mobilenet-v2-lora', 'timm-dora'];

describe.each(cases)('%s', (name) => {
  test('gives the features that PEFT gives, and none of them without the adapter', async () => {
    const { folder, checkpoint, inputs, expected } = await readCase(name);
    await expectNoLeaks(async () => {
      const base = await loadPretrained(checkpoint);
      const adapter = await loadAdapter(base, `${folder}/adapter`);
      const feeds = await feedsOf(base, inputs);
      // The reference drops nothing, so the way of training is compared where there is no dropout.
      const modes = adapter.recipe.dropout === 0 ? (['inference', 'training'] as const) : (['inference'] as const);
      for (const mode of modes) {
        const output = tf.tidy(() => states(base, feeds, { ...quiet, adapter: adapter[mode] }));
        expect(difference({ shape: output.shape, values: output.dataSync() }, expected.get('last_hidden_state')!), mode).toBeLessThan(1e-4);
        output.dispose();
      }
      const plain = tf.tidy(() => states(base, feeds, quiet));
      expect(difference({ shape: plain.shape, values: plain.dataSync() }, expected.get('last_hidden_state')!)).toBeGreaterThan(0.1);
      tf.dispose([plain, ...feeds.values()]);
      adapter.dispose();
      base.dispose();
    });
  });
});

/** PEFT's names of our parts. */
const theirPart = { lora_a: 'lora_A.weight', lora_b: 'lora_B.weight', magnitude: 'lora_magnitude_vector' } as const;

describe.each(['bert-lora', 'bert-dora'])('%s', (name) => {
  test('the gradients are those of PEFT', async () => {
    const { folder, checkpoint, inputs, expected } = await readCase(name);
    const base = await loadPretrained(checkpoint);
    const adapter = await loadAdapter(base, `${folder}/adapter`);
    const feeds = await feedsOf(base, inputs);
    const direction = expected.get('direction')!;
    const variables = adapter.weights().map(({ variable }) => variable);
    const { value, grads } = tf.variableGrads(
      () =>
        tf.tidy(() =>
          tf.sum<tf.Scalar>(
            tf.mul(
              states(base, feeds, { ...quiet, adapter: name === 'bert-dora' ? adapter.training : adapter.inference }),
              tf.tensor(direction.values, [...direction.shape]),
            ),
          ),
        ),
      variables,
    );
    const modules = new Map(
      [...expected.keys()].filter((key) => key.startsWith('gradient.')).map((key) => [key.replace('gradient.base_model.model.', ''), key]),
    );
    let compared = 0;
    for (const { name: weight, variable } of adapter.weights()) {
      const [, layer, rest, part] = /^layer-(\d+)\/(.*)\/(\w+)$/.exec(weight)!;
      const inside =
        { 'attention/output': 'attention.output.dense', intermediate: 'intermediate.dense', output: 'output.dense' }[rest!] ??
        rest!.replace('attention/', 'attention.self.');
      const key = modules.get(`encoder.layer.${Number(layer) - 1}.${inside}.${theirPart[part as keyof typeof theirPart]}`)!;
      const ours = tf.tidy(() => (part === 'magnitude' ? grads[variable.name]! : tf.transpose(grads[variable.name]!)));
      expect(difference({ shape: ours.shape, values: ours.dataSync() }, expected.get(key)!), weight).toBeLessThan(1e-4);
      compared++;
    }
    expect(compared).toBe(variables.length);
    expect(compared).toBe(name === 'bert-dora' ? 30 : 20);
    tf.dispose([value, grads, ...feeds.values()]);
    adapter.dispose();
    base.dispose();
  });
});
