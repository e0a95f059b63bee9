/**
 * Saves random adapters of a base with `model.saveAdapter`, lets the Python package PEFT load them on the same checkpoint, and
 * compares the features of both; and loads what PEFT then saves again. LoRA and DoRA, on every layer that can be adapted.
 *
 *   npx tsx tools/golden/peft-round-trip.ts <python> <checkpoint> ...
 *
 * A checkpoint is a folder of transformers: BERT or MobileNetV2. `<python>` has the packages of requirements.txt.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { fileURLToPath } from 'node:url';
import type { Adapter } from '../../src/adapters/adapter.js';
import { createAdapter } from '../../src/adapters/create-adapter.js';
import { lora } from '../../src/adapters/lora.js';
import { addHead } from '../../src/add-head.js';
import type { Base } from '../../src/base.js';
import { createRandom } from '../../src/common/random.js';
import { classification } from '../../src/heads/classification.js';
import { collateInputs } from '../../src/inference/run-examples.js';
import { inferenceWith, runGraph } from '../../src/layers/run-graph.js';
import { loadAdapter } from '../../src/load-adapter.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';

const [python, ...checkpoints] = process.argv.slice(2);
if (python === undefined || checkpoints.length === 0)
  throw new Error('usage: npx tsx tools/golden/peft-round-trip.ts <python> <checkpoint> ...');

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const samples = {
  text: ['the red rose', 'a late train is not very good', 'one', 'it was a bad film, and the sky was blue!'],
  image: ['rgb.png', 'large.jpg'].map((name) => here(`../../test/golden/inputs/${name}`)),
};

/** Network inputs by the names that transformers has for them. */
const inputNames: Record<string, string> = { ids: 'input_ids', mask: 'attention_mask', typeIds: 'token_type_ids', pixels: 'pixel_values' };

/** Gives updates and magnitudes random numbers, small enough that rounding does not grow from layer to layer. */
function randomize(adapter: Adapter, strength: number): void {
  const random = createRandom(7);
  for (const { name, variable } of adapter.weights()) {
    if (name.endsWith('/lora_a')) continue;
    const old = variable.dataSync();
    const isMagnitude = name.endsWith('/magnitude');
    const values = Float32Array.from(old, (value) =>
      isMagnitude ? value * (0.9 + 0.2 * random.next()) : (random.next() - 0.5) * strength,
    );
    const tensor = tf.tensor(values, variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }
}

const valueOf = (tensor: tf.Tensor): TensorValue => ({ shape: tensor.shape, values: tensor.dataSync().slice() as Float32Array });

/** Inputs, and the last hidden state with and without the adapter, with the axes of PyTorch. */
async function batchOf(base: Base, adapter: Adapter): Promise<Map<string, TensorValue>> {
  const { built, processor } = base.parts;
  const encoded = await Promise.all(samples[base.modality].map((sample) => processor.encode(sample)));
  const inputs = collateInputs(encoded, processor.padding);
  const feeds = new Map(built.model.inputs.map((input, index) => [input, inputs[index]!]));
  const wanted = built.features.sequence ?? built.features.map!;
  const torch = (tensor: tf.Tensor): tf.Tensor => (tensor.rank === 4 ? tf.transpose(tensor, [0, 3, 1, 2]) : tensor);
  const [changed, plain] = [adapter, undefined].map((one) => tf.tidy(() => torch(runGraph(feeds, [wanted], inferenceWith(one))[0]!)));
  const batch = new Map(built.model.inputs.map((input, index) => [inputNames[input.sourceLayer.name]!, valueOf(torch(inputs[index]!))]));
  return batch.set('adapted', valueOf(changed!)).set('plain', valueOf(plain!));
}

const folder = mkdtempSync(join(tmpdir(), 'peft-round-trip-'));
try {
  for (const checkpoint of checkpoints) {
    for (const dora of [false, true]) {
      const base = await loadPretrained(checkpoint);
      const adapter = createAdapter(base, lora({ rank: 4, dora }));
      randomize(adapter, base.modality === 'image' ? 0.05 : 0.4);
      const model = addHead(base, classification(['a', 'b']));
      model.useAdapter(adapter);
      const [ours, theirs, batch] = ['ours', 'theirs', 'batch.safetensors'].map((name) => join(folder, name)) as [string, string, string];
      await model.saveAdapter(ours);
      const expected = await batchOf(base, adapter);
      writeFileSync(batch, writeSafetensors(expected));
      const report = execFileSync(python, [here('peft_round_trip.py'), checkpoint, ours, batch, theirs], { encoding: 'utf8' });
      const again = await batchOf(base, await loadAdapter(base, theirs));
      const [before, after] = [expected, again].map((one) => Array.from(one.get('adapted')!.values)) as [number[], number[]];
      const back = before.reduce((most, value, index) => Math.max(most, Math.abs(value - after[index]!)), 0);
      console.log(`${checkpoint}: ${adapter.describe()}\n  ${report.trim()}\n  what PEFT saved, loaded here: ${back.toExponential(1)}`);
      model.dispose();
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
