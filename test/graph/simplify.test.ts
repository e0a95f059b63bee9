import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { bert } from '../../src/backbones/bert.js';
import { buildMobileNetV2 } from '../../src/backbones/mobilenet-v2/build.js';
import { mobilenetV2Config } from '../../src/backbones/mobilenet-v2/config.js';
import type { OnnxModel } from '../../src/graph/onnx-model.js';
import { record } from '../../src/graph/record.js';
import { simplify, type Pass } from '../../src/graph/simplify.js';
import { addBiases } from '../../src/graph/simplify/add-biases.js';
import { foldConstants } from '../../src/graph/simplify/fold-constants.js';
import { foldScales } from '../../src/graph/simplify/fold-scales.js';
import { fuseGelu } from '../../src/graph/simplify/fuse-gelu.js';
import { fuseLayerNormalization } from '../../src/graph/simplify/fuse-layer-normalization.js';
import { mergeEqual } from '../../src/graph/simplify/merge-equal.js';
import { relativeShapes } from '../../src/graph/simplify/relative-shapes.js';
import { removeUnused } from '../../src/graph/simplify/remove-unused.js';
import { sinkReshapes } from '../../src/graph/simplify/sink-reshapes.js';
import { skipIdentities } from '../../src/graph/simplify/skip-identities.js';
import { turnOnce } from '../../src/graph/simplify/turn-once.js';
import { tensorOf } from '../../src/graph/tensor-bytes.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { anyGraph, batch, Sketch, spread } from './random-graph.js';
import { runOnnx } from './run-onnx.js';

const passes = { addBiases, foldConstants, foldScales, fuseGelu, fuseLayerNormalization, mergeEqual, relativeShapes, removeUnused, sinkReshapes, skipIdentities, turnOnce }; // prettier-ignore

/** A model with one pass done to it. */
function after(pass: Pass, model: OnnxModel): OnnxModel {
  const { nodes, constants } = pass({ ...model, outputs: new Set(model.outputs.map(({ name }) => name)) });
  return { ...model, nodes, constants };
}

type Results = Awaited<ReturnType<typeof runOnnx>>;

const run = (model: OnnxModel): Promise<Results> => {
  const feeds = model.inputs.map(({ name, shape }, index) => {
    const sizes = shape.map((size) => (typeof size === 'string' ? batch : size));
    return [name, [spread(sizes.reduce((a, b) => a * b, 1), index + 1), sizes]] as const; // prettier-ignore
  });
  return runOnnx(writeOnnx(model), Object.fromEntries(feeds) as never);
};

/** The largest difference, measured against the numbers themselves where they are large. */
const difference = (one: Results, other: Results): number =>
  Math.max(
    ...Object.entries(one).flatMap(([name, { values, shape }]) => {
      expect(other[name]!.shape).toEqual(shape);
      return values.map((value, index) => Math.abs(value - other[name]!.values[index]!) / (1 + Math.abs(value)));
    }),
  );

const operators = ({ nodes }: OnnxModel): string => nodes.map(({ operator }) => operator).join(' ');
const count = (model: OnnxModel, operator: string): number => model.nodes.filter((node) => node.operator === operator).length;

describe('passes over random graphs', () => {
  test('each by itself, and all in their order, keep the numbers', async () => {
    await fc.assert(
      fc.asyncProperty(anyGraph, async (model) => {
        const before = await run(model);
        fc.pre(Object.values(before).every(({ values }) => values.every((value) => Math.abs(value) < 1e4)));
        for (const [name, pass] of Object.entries(passes)) {
          const found = difference(before, await run(after(pass, model)));
          expect(found, name).toBeLessThan(name === 'foldConstants' ? 1e-6 : 1e-4);
        }
        const whole = simplify(model);
        expect(difference(before, await run(whole))).toBeLessThan(1e-4);
        expect(whole.nodes.length).toBeLessThanOrEqual(model.nodes.length);
        expect(whole.outputs).toEqual(model.outputs);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});

describe('constants', () => {
  test('what follows from constants is no node any more, and has the numbers that ONNX Runtime gets', async () => {
    const sketch = new Sketch();
    const x = sketch.input(3);
    const variance = sketch.constant([3], [0.3, 1.7, 2.9]);
    const factor = sketch.same('Div', sketch.constant([3], [1.1, 0.9, 1.3]), sketch.same('Sqrt', sketch.same('Add', variance, 1e-3)));
    const turned = sketch.node('Transpose', [sketch.constant([2, 3])], [3, 2], { perm: { ints: [1, 0] } });
    const backwards = sketch.node('Slice', [turned, ...[[-1], [Number.MIN_SAFE_INTEGER], [0], [-1]].map((list) => sketch.integers(...list))], [3, 2]); // prettier-ignore
    const wide = sketch.node('Expand', [sketch.reshape(factor, [3, 1]), sketch.integers(3, 2)], [3, 2]);
    const whole = sketch.node('Cast', [sketch.node('Cast', [sketch.same('Mul', wide, 10)], [3, 2], { to: { int: 6 } })], [3, 2], { to: { int: 1 } }); // prettier-ignore
    const both = sketch.node('Concat', [sketch.same('Neg', backwards), sketch.same('Reciprocal', wide), whole], [3, 6], {
      axis: { int: 1 },
    });
    const model = sketch.model([sketch.node('MatMul', [x, sketch.same('Max', sketch.same('Min', both, 2), -2)], [batch, 6])]);
    const folded = simplify(model);
    expect(operators(folded)).toBe('MatMul');
    expect(await run(folded)).toEqual(await run(model));
  });

  test('a large filled tensor and an output stay nodes', () => {
    const sketch = new Sketch();
    const filled = sketch.node('Expand', [sketch.constant([], [1]), sketch.integers(100, 100)], [100, 100]);
    const model = sketch.model([filled, sketch.same('Sqrt', sketch.constant([2], [4, 9]))]);
    expect(operators(simplify(model))).toBe('Expand Sqrt');
  });
});

describe('layer normalisation', () => {
  test('becomes one node', async () => {
    const sketch = new Sketch();
    const model = sketch.model([sketch.normalization(sketch.input(3, 4)).result]);
    const fused = simplify(model);
    expect(operators(fused)).toBe('LayerNormalization');
    expect(fused.nodes[0]!.outputs).toHaveLength(1);
    expect(difference(await run(model), await run(fused))).toBeLessThan(1e-6);
  });

  test('still gives the standardised values where a gradient needs them', async () => {
    const sketch = new Sketch();
    const { standard, result } = sketch.normalization(sketch.input(3, 4));
    const model = sketch.model([result, sketch.same('Mul', standard, result)]);
    const fused = simplify(model);
    expect(operators(fused)).toBe('LayerNormalization Sub Mul Mul');
    expect(difference(await run(model), await run(fused))).toBeLessThan(1e-6);
  });

  test('of another axis, or without its product and sum, stays as it is', () => {
    const sketch = new Sketch();
    const { standard } = sketch.normalization(sketch.input(3, 4));
    expect(count(simplify(sketch.model([standard])), 'LayerNormalization')).toBe(0);
    const other = new Sketch();
    const { result } = other.normalization(other.input(4, 4));
    const nodes = other.model([result]).nodes;
    const middle = new Map([...other.constants].map(([name, tensor]) => [name, tensor.type === 'int64' ? tensorOf({ type: 'int64', shape: [1], numbers: [1] }) : tensor])); // prettier-ignore
    expect(count(simplify({ ...other.model([result]), nodes, constants: middle }), 'LayerNormalization')).toBe(0);
  });
});

describe('GELU', () => {
  test.each(['gelu', 'tanhGelu'] as const)('%s becomes one node', async (kind) => {
    const sketch = new Sketch();
    const made = sketch[kind](sketch.input(4));
    const model = sketch.model(['result' in made ? made.result : made]);
    const fused = simplify(model);
    expect(operators(fused)).toBe('Gelu');
    expect(difference(await run(model), await run(fused))).toBeLessThan(1e-6);
  });

  test('stays in its parts where one of them is an output or needed elsewhere', () => {
    const sketch = new Sketch();
    const { distribution, result } = sketch.gelu(sketch.input(4));
    expect(count(simplify(sketch.model([result, distribution])), 'Gelu')).toBe(0);
    expect(count(simplify(sketch.model([result, sketch.same('Tanh', distribution)])), 'Gelu')).toBe(0);
  });
});

describe('changes of shape', () => {
  test('around a product, its bias and an activation all go', async () => {
    const sketch = new Sketch();
    const flat = sketch.reshape(sketch.input(3, 4), [batch * 3, 4]);
    const sum = sketch.same('Add', sketch.node('MatMul', [flat, sketch.constant([4, 6])], [batch * 3, 6]), sketch.constant([6]));
    const model = sketch.model([sketch.reshape(sketch.same('Tanh', sketch.reshape(sum, [batch, 3, 6])), [batch, 3, 6])]);
    const sunk = simplify(model);
    expect(operators(sunk)).toBe('MatMul Add Tanh Reshape'); // the last one gives the output its name
    expect(difference(await run(model), await run(sunk))).toBeLessThan(1e-6);
  });

  test('that split an axis are given in numbers', () => {
    const sketch = new Sketch();
    const heads = sketch.reshape(sketch.input(3, 4), [batch, 3, 2, 2]);
    const model = simplify(sketch.model([sketch.node('Transpose', [heads], [batch, 2, 3, 2], { perm: { ints: [0, 2, 1, 3] } })]));
    expect(operators(model)).toBe('Reshape Transpose');
    expect([...model.constants.keys()]).toEqual(['relative/0,3,2,2']);
  });
});

describe('what looks alike and is not', () => {
  test('rows that were counted otherwise before are not added before they are brought together', async () => {
    const sketch = new Sketch();
    const one = sketch.reshape(sketch.input(3, 4), [batch * 3, 4]);
    const other = sketch.reshape(sketch.node('MatMul', [sketch.input(4), sketch.constant([4, 12])], [batch, 12]), [1, batch * 3, 4]);
    const both = sketch.same('Add', one, sketch.reshape(sketch.same('Tanh', other), [batch * 3, 4]));
    const model = sketch.model([sketch.same('Tanh', both)]);
    expect(difference(await run(model), await run(simplify(model)))).toBeLessThan(1e-6);
  });

  test('a shape with two free sizes in new places is still worked out in the graph', () => {
    const free = record({
      name: 'rows',
      inputs: [
        { name: 'x', type: 'float32', shape: ['batch', 'tokens', 6] },
        { name: 'y', type: 'float32', shape: ['batch', 'tokens'] },
      ],
      outputs: ['turned'],
      compute: ([x, y]) => [tf.reshape(tf.transpose(tf.reshape(x!, [-1, 6])), [6, ...y!.shape])],
    }).model;
    expect(operators(free)).toBe('Shape Shape Concat Reshape Transpose Reshape');
  });

  test('two turns in a row are one, in their order; two turns of one thing are two', async () => {
    const sketch = new Sketch();
    const turn = (from: { name: string; shape: readonly number[] }, ...ints: number[]) =>
      sketch.node('Transpose', [from], ints.map((axis) => from.shape[axis]!), { perm: { ints } }); // prettier-ignore
    const x = sketch.input(3, 4);
    const twice = sketch.same('Tanh', turn(turn(x, 1, 2, 0), 0, 2, 1));
    const back = sketch.same('Tanh', turn(turn(x, 1, 2, 0), 2, 0, 1));
    const model = sketch.model([twice, back, sketch.same('Tanh', turn(x, 0, 2, 1))]);
    expect(operators(simplify(model))).toBe('Transpose Tanh Tanh Transpose Tanh');
    expect(await run(simplify(model))).toEqual(await run(model));
  });
});

describe('numbers that go into constants', () => {
  test('the scale of attention scores goes into the projection of the queries, which other products keep as it is', async () => {
    const sketch = new Sketch();
    const x = sketch.input(3, 4);
    const [kernel, bias] = [sketch.constant([4, 4]), sketch.constant([4])];
    const project = () => sketch.same('Add', sketch.node('MatMul', [x, kernel], [batch, 3, 4]), bias);
    const turned = sketch.node('Transpose', [project()], [batch, 4, 3], { perm: { ints: [0, 2, 1] } });
    const scaled = sketch.same('Tanh', sketch.same('Mul', turned, 0.5));
    const model = sketch.model([scaled]);
    expect(operators(after(foldScales, model))).toBe('MatMul Add Transpose Tanh');
    expect(difference(await run(model), await run(after(foldScales, model)))).toBeLessThan(1e-6);
    const shared = sketch.model([scaled, project()]);
    expect(difference(await run(shared), await run(simplify(shared)))).toBeLessThan(1e-6);
  });

  test('a scale stays behind a sum that is an output', () => {
    const sketch = new Sketch();
    const sum = sketch.node('MatMul', [sketch.input(4), sketch.constant([4, 4])], [batch, 4]);
    expect(operators(simplify(sketch.model([sum, sketch.same('Mul', sum, 0.5)])))).toBe('MatMul Mul');
  });

  test('a sum behind a convolution becomes its bias, unless what the convolution gives is needed itself', async () => {
    const sketch = new Sketch();
    const sum = sketch.node('Conv', [sketch.input(2, 3, 3), sketch.constant([4, 2, 1, 1])], [batch, 4, 3, 3]);
    const biased = sketch.same('Add', sum, sketch.reshape(sketch.constant([4]), [4, 1, 1]));
    const model = sketch.model([biased]);
    expect(operators(simplify(model))).toBe('Conv');
    expect(difference(await run(model), await run(simplify(model)))).toBeLessThan(1e-6);
    expect(operators(simplify(sketch.model([biased, sum])))).toBe('Conv Add');
  });
});

describe('names', () => {
  test('an output takes the place of the value that it names, but not that of an input, a constant or another output', async () => {
    const sketch = new Sketch();
    const x = sketch.input(3);
    const sum = sketch.same('Tanh', x);
    const outputs = [sketch.same('Identity', sum), sketch.same('Identity', sum), sketch.same('Identity', x), sketch.same('Neg', sum)];
    const model = sketch.model(outputs);
    expect(operators(simplify(model))).toBe('Tanh Identity Identity Neg');
    expect(await run(simplify(model))).toEqual(await run(model));
  });
});

describe('our networks', () => {
  beforeAll(() => tf.setBackend('cpu'));

  test('MobileNetV2 is its convolutions, activations and residual sums', () => {
    const { model, features } = buildMobileNetV2(mobilenetV2Config({ width: 0.1, imageSize: 32 }));
    const recorded = record({
      name: 'features',
      inputs: [{ name: 'pixels', type: 'float32', shape: ['batch', 32, 32, 3] }],
      outputs: ['features'],
      compute: ([pixels]) => runGraph(new Map([[model.inputs[0]!, pixels!]]), [features['pooled']!]),
    }).model;
    model.dispose();
    expect(new Set(recorded.nodes.map(({ operator }) => operator))).toEqual(new Set(['Add', 'Clip', 'Conv', 'ReduceMean', 'Transpose']));
    expect(count(recorded, 'Conv')).toBe(52);
    expect(count(recorded, 'Transpose')).toBe(1);
    expect(recorded.nodes.length).toBeLessThanOrEqual(100);
  });

  test('BERT of six layers has 200 nodes, one for each normalisation and activation, and one penalty for all masks', () => {
    const config = { ...bert.tiny.config, layers: 6 } as typeof bert.tiny.config;
    const { model, features } = bert.build(config);
    const recorded = record({
      name: 'features',
      inputs: model.inputs.map(({ name }) => ({ name, type: 'int32', shape: ['batch', 'tokens'] })),
      outputs: ['features'],
      compute: (inputs) => runGraph(new Map(model.inputs.map((input, index) => [input, inputs[index]!])), [Object.values(features)[0]!]),
    }).model;
    model.dispose();
    expect(recorded.nodes.length).toBeLessThanOrEqual(200);
    expect(count(recorded, 'LayerNormalization')).toBe(13);
    expect(count(recorded, 'Gelu')).toBe(6);
    expect(count(recorded, 'Erf')).toBe(0);
    expect(recorded.nodes.filter(({ operator, inputs }) => operator === 'Cast' && inputs[0] === 'mask')).toHaveLength(1);
  });
});
