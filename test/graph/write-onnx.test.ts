import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { irVersionOf } from '../../src/graph/onnx-fields.js';
import type { OnnxAttribute, OnnxModel, OnnxTensor } from '../../src/graph/onnx-model.js';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { expectError } from '../weights/expect-error.js';
import { anyModel } from './random-onnx.js';
import { runOnnx } from './run-onnx.js';

const floats = (shape: number[], ...values: number[]): OnnxTensor => ({
  type: 'float32',
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

/** y = (x w + b) turned round, and how many rows came in. */
const dense: OnnxModel = {
  name: 'dense',
  nodes: [
    { operator: 'MatMul', inputs: ['x', 'w'], outputs: ['product'], attributes: {} },
    { operator: 'Add', inputs: ['product', 'b'], outputs: ['sum'], attributes: {} },
    { operator: 'LeakyRelu', inputs: ['sum'], outputs: ['bent'], attributes: { alpha: { float: 0.5 } } },
    { operator: 'Transpose', inputs: ['bent'], outputs: ['y'], attributes: { perm: { ints: [1, 0] } } },
    { operator: 'Gelu', inputs: ['bent'], outputs: ['smooth'], attributes: { approximate: { text: 'tanh' } } },
    { operator: 'Constant', inputs: [], outputs: ['two'], attributes: { value: { tensor: floats([], 2) } } },
    { operator: 'Mul', inputs: ['bent', 'two'], outputs: ['doubled'], attributes: {} },
    { operator: 'Concat', inputs: ['doubled', 'bent'], outputs: ['beside'], attributes: { axis: { int: -1 } } },
  ],
  constants: new Map([
    ['w', floats([2, 3], 1, 2, 3, 4, 5, 6)],
    ['b', floats([3], -10, 0, 10)],
  ]),
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
  outputs: [
    { name: 'y', type: 'float32', shape: [3, 'batch'] },
    { name: 'smooth', type: 'float32', shape: ['batch', 3] },
    { name: 'beside', type: 'float32', shape: ['batch', 6] },
  ],
  operatorSets: { '': 20 },
  metadata: { labels: '["a"]' },
};

const withNode = (attributes: Record<string, OnnxAttribute>): OnnxModel => ({
  ...dense,
  nodes: [{ operator: 'Odd', inputs: [], outputs: ['y'], attributes }],
});
const withConstant = (tensor: OnnxTensor): OnnxModel => ({ ...dense, constants: new Map([['k', tensor]]) });

describe('writing ONNX', () => {
  test('ONNX Runtime computes what was written, for any number of rows', async () => {
    const bytes = writeOnnx(dense);
    const { y, smooth, beside } = await runOnnx(bytes, {
      x: [
        [1, -1, 0, 1],
        [2, 2],
      ],
    });
    // Rows: [-3, -3, -3] + b and [4, 5, 6] + b.
    expect(y).toEqual({ shape: [3, 2], values: [-6.5, -3, -1.5, 5, 7, 16] });
    expect(beside).toEqual({ shape: [2, 6], values: [-13, -3, 14, -6.5, -1.5, 7, -6, 10, 32, -3, 5, 16] });
    expect(smooth!.values[4]).toBeCloseTo(5, 5);
    expect(
      (
        await runOnnx(bytes, {
          x: [
            [1, -1],
            [1, 2],
          ],
        })
      ).y!.shape,
    ).toEqual([3, 1]);
  });

  test('what is written is read again: any model, names, types and every byte of the constants', () => {
    fc.assert(
      fc.property(anyModel, (model) => {
        const file = readOnnx(writeOnnx(model));
        const { name, inputs, outputs, metadata, operatorSets } = model;
        expect(file).toMatchObject({ name, inputs, outputs, producer: 'transferkit', irVersion: irVersionOf(operatorSets['']!) });
        expect(Object.fromEntries(file.metadata)).toEqual(metadata);
        expect(Object.fromEntries(file.operatorSets)).toEqual(operatorSets);
        expect(file.nodes.map(({ operator, domain, inputs, outputs }) => ({ operator, domain, inputs, outputs }))).toEqual(
          model.nodes.map(({ operator, domain, inputs, outputs }) => ({ operator, domain, inputs, outputs })),
        );
        expect([...file.initializers.keys()]).toEqual([...model.constants.keys()]);
        for (const [key, tensor] of model.constants) expect(file.tensor(key)).toEqual(tensor);
      }),
      { numRuns: 150, seed: 5 },
    );
  });

  test('the same model gives the same bytes, in whatever order its settings come', () => {
    const turned = { ...dense, operatorSets: { b: 2, '': 20, a: 1 }, metadata: { z: '1', b: '2' } };
    const straight = { ...dense, operatorSets: { '': 20, a: 1, b: 2 }, metadata: { b: '2', z: '1' } };
    expect(writeOnnx(turned)).toEqual(writeOnnx(straight));
    const attributes = { alpha: { float: 1 }, beta: { ints: [1] } };
    expect(writeOnnx(withNode({ beta: attributes.beta, alpha: attributes.alpha }))).toEqual(writeOnnx(withNode(attributes)));
  });

  test('constants of 100 MB are copied once and keep every byte', () => {
    const bytes = new Uint8Array(100_000_000);
    for (let place = 0; place < bytes.length; place += 9973) bytes[place] = place % 251;
    const before = process.memoryUsage().arrayBuffers;
    const written = writeOnnx(withConstant({ type: 'uint8', shape: [bytes.length], bytes }));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(110_000_000);
    expect(Buffer.compare(readOnnx(written).tensor('k').bytes, bytes)).toBe(0);
  });

  test('the file format is the oldest that may hold the operators', () => {
    expect([8, 9, 14, 15, 18, 20, 21, 23, 27, 28].map(irVersionOf)).toEqual([3, 4, 7, 8, 8, 9, 10, 11, 13, 14]);
    expect(readOnnx(writeOnnx(dense)).irVersion).toBe(9);
  });
});

describe('what cannot be written', () => {
  test('a model over 2 GB', async () => {
    // One stretch of memory that is never touched stands for all of them.
    const bytes = new Uint8Array(2 ** 28);
    const tensor: OnnxTensor = { type: 'uint8', shape: [2 ** 28], bytes };
    const constants = new Map(Array.from({ length: 8 }, (_, index) => [`k${index}`, tensor]));
    await expectError(() => writeOnnx({ ...dense, constants }), 'too-large', '2147483647', 'float16 or int8');
  });

  test('a constant whose bytes do not fit its shape', async () => {
    await expectError(
      () => writeOnnx(withConstant({ ...floats([2], 1, 2), shape: [3] })),
      'bad-input',
      'constant "k"',
      '12 bytes',
      'received: 8',
    );
    await expectError(() => writeOnnx(withConstant({ ...floats([2], 1, 2), shape: [-1, -2] })), 'bad-input', 'whole sizes');
    const attributes = { value: { tensor: { ...floats([2], 1, 2), shape: [1] } } };
    await expectError(() => writeOnnx(withNode(attributes)), 'bad-input', 'attribute value of Odd', '4 bytes');
  });

  test('a constant of strings', async () => {
    await expectError(() => writeOnnx(withConstant({ type: 'string', shape: [0], bytes: new Uint8Array() })), 'unsupported', 'strings');
  });

  test.each([
    [{ int: 1.5 }, 'a whole number', '1.5'],
    [{ ints: [1, 2 ** 60] }, 'a whole number', String(2 ** 60)],
    [{ float: 1e300 }, 'within float32', '1e+300'],
    [{ floats: ['x' as unknown as number] }, 'within float32', 'x'],
  ])('an attribute of %j', async (attribute, expected, received) => {
    await expectError(
      () => writeOnnx(withNode({ odd: attribute })),
      'bad-input',
      'attribute odd of Odd',
      expected,
      `received: ${received}`,
    );
  });

  test('a size that is none', async () => {
    const outputs = [{ name: 'y', type: 'float32' as const, shape: [-1] }];
    await expectError(() => writeOnnx({ ...dense, outputs }), 'bad-input', 'the shape of "y"', 'received: -1');
  });

  test('operators of a set whose version is not told', async () => {
    const nodes = [{ operator: 'Gelu', domain: 'com.microsoft', inputs: ['x'], outputs: ['y'], attributes: {} }];
    await expectError(() => writeOnnx({ ...dense, nodes }), 'bad-input', '"com.microsoft", because of Gelu', '{"":20}');
  });
});
