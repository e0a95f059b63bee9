import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cutOnnx } from '../../src/graph/cut-onnx.js';
import type { OnnxModel, OnnxTensor } from '../../src/graph/onnx-model.js';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { expectError } from '../weights/expect-error.js';
import { anyModel } from './random-onnx.js';
import { runOnnx } from './run-onnx.js';

const scalar = (value: number): OnnxTensor => ({ type: 'float32', shape: [], bytes: new Uint8Array(Float32Array.of(value).buffer) });

/** x -> x + a -> (x + a) b -> that + c; and a branch beside, -x. */
const chain: OnnxModel = {
  name: 'chain',
  nodes: [
    { operator: 'Add', inputs: ['x', 'a'], outputs: ['first'], attributes: {} },
    { operator: 'Mul', inputs: ['first', 'b'], outputs: ['second'], attributes: {} },
    { operator: 'Add', inputs: ['second', 'c'], outputs: ['third'], attributes: {} },
    { operator: 'Neg', inputs: ['x'], outputs: ['beside'], attributes: {} },
  ],
  constants: new Map([
    ['a', scalar(1)],
    ['b', scalar(10)],
    ['c', scalar(100)],
  ]),
  inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
  outputs: [
    { name: 'third', type: 'float32', shape: ['n'] },
    { name: 'beside', type: 'float32', shape: ['n'] },
  ],
  operatorSets: { '': 17 },
  metadata: { kept: 'yes' },
};
const whole = writeOnnx(chain);

describe('cutting', () => {
  test('an inner tensor becomes the output; what it does not need is gone, the rest is there', async () => {
    const bytes = cutOnnx(whole, ['second']);
    const file = readOnnx(bytes);
    expect(file.nodes.map(({ outputs }) => outputs)).toEqual([['first'], ['second']]);
    expect([...file.initializers.keys()]).toEqual(['a', 'b']);
    expect(file.outputs).toEqual([{ name: 'second', type: undefined, shape: undefined }]);
    expect(file.inputs).toEqual(chain.inputs);
    expect(file.metadata.get('kept')).toBe('yes');
    expect(await runOnnx(bytes, { x: [[1, 2], [2]] })).toEqual({ second: { shape: [2], values: [20, 30] } });
  });

  test('several outputs, in the order that was asked for; old ones keep their types', async () => {
    const bytes = cutOnnx(whole, ['third', 'first']);
    expect(readOnnx(bytes).outputs.map(({ name, type }) => [name, type])).toEqual([
      ['third', 'float32'],
      ['first', undefined],
    ]);
    expect(await runOnnx(bytes, { x: [[1], [1]] })).toEqual({
      third: { shape: [1], values: [120] },
      first: { shape: [1], values: [2] },
    });
  });

  test('an input or a weight may be an output; an input keeps its type', async () => {
    const bytes = cutOnnx(whole, ['x', 'b']);
    expect(readOnnx(bytes)).toMatchObject({ nodes: [], outputs: [{ name: 'x', type: 'float32', shape: ['n'] }, { name: 'b' }] });
    expect(await runOnnx(bytes, { x: [[3], [1]] })).toEqual({ x: { shape: [1], values: [3] }, b: { shape: [], values: [10] } });
  });

  test('cut at its own outputs, a model is the same to the byte; fields that nobody knows stay', () => {
    const unknown = new BinaryWriter().tag(900, WireType.LengthDelimited).string('kept').tag(901, WireType.Varint).int64(-5).finish();
    const more = Uint8Array.from([...whole, ...unknown]);
    expect(cutOnnx(more, ['third', 'beside'])).toEqual(more);
    expect(Buffer.from(cutOnnx(more, ['first'])).includes(Buffer.from(unknown))).toBe(true);
  });

  test('any model, at any of its tensors: whatever is left is unchanged, complete and all needed', () => {
    const atSome = anyModel
      .filter(({ nodes }) => nodes.length > 0)
      .chain((model) => {
        const names = model.nodes.flatMap(({ outputs }) => outputs);
        return fc.record({ model: fc.constant(model), wanted: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }) });
      });
    fc.assert(
      fc.property(atSome, ({ model, wanted }) => {
        const before = readOnnx(writeOnnx(model));
        const after = readOnnx(cutOnnx(writeOnnx(model), wanted));
        expect(after.outputs.map(({ name }) => name)).toEqual(wanted);
        const used = new Set([...wanted, ...after.nodes.flatMap(({ inputs }) => inputs)]);
        const made = new Set([
          '',
          ...after.inputs.map(({ name }) => name),
          ...after.initializers.keys(),
          ...after.nodes.flatMap(({ outputs }) => outputs),
        ]);
        for (const name of used) expect(made).toContain(name);
        for (const name of after.initializers.keys()) {
          expect(after.tensor(name)).toEqual(before.tensor(name));
          expect(used).toContain(name);
        }
        for (const node of after.nodes) expect(node.outputs.some((name) => used.has(name))).toBe(true);
        expect(before.nodes.filter(({ name }) => after.nodes.some((node) => node.name === name))).toEqual(after.nodes);
      }),
      { numRuns: 150, seed: 3 },
    );
  });
});

describe('what cannot be cut', () => {
  test('a tensor that is not there: the nearest is told, and of many names the nearest alone', async () => {
    await expectError(
      () => cutOnnx(whole, ['secnd']),
      'unknown-name',
      'no tensor in this ONNX model "secnd"',
      'Did you mean "second"?',
      'Known: first,',
    );
    const nodes = Array.from({ length: 500 }, (_, index) => ({
      operator: 'Neg',
      inputs: ['x'],
      outputs: [`layer_${index}`],
      attributes: {},
    }));
    const error = await expectError(
      () => cutOnnx(writeOnnx({ ...chain, nodes }), ['layr_77']),
      'unknown-name',
      'the nearest 20 of 504',
      'layer_77',
    );
    expect(error.message.length).toBeLessThan(500);
  });

  test('the empty name, which stands for nothing', async () => {
    await expectError(() => cutOnnx(whole, ['']), 'unknown-name', 'no tensor');
  });

  test('no outputs, or one twice', async () => {
    await expectError(() => cutOnnx(whole, []), 'bad-option', 'one or more names', '[]');
    await expectError(() => cutOnnx(whole, ['first', 'first']), 'bad-option', 'each once', '["first","first"]');
  });

  test('bytes that are no ONNX', async () => {
    await expectError(() => cutOnnx(whole.subarray(0, 40), ['first']), 'corrupt-file', 'at byte');
  });
});

const published = new URL('../../../shared/data/weights/shufflenet-v2-fastestdet.torch-zip/FastestDet.onnx', import.meta.url);

test.skipIf(!existsSync(published))(
  'a published network gives the same inner tensor cut as whole (skipped without the shared data)',
  async () => {
    const bytes = readFileSync(published);
    const file = readOnnx(bytes);
    const [input] = file.inputs;
    const shape = input!.shape!.map((size) => (typeof size === 'number' ? size : 1));
    const values = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, index) => Math.sin(index));
    const inner = file.nodes[100]!.outputs[0]!;
    const last = file.outputs[0]!.name;
    const cut = cutOnnx(bytes, [inner]);
    expect(cut.length).toBeLessThan(bytes.length);
    const both = await runOnnx(cutOnnx(bytes, [inner, last]), { [input!.name]: [values, shape] });
    const one = await runOnnx(cut, { [input!.name]: [values, shape] });
    expect(one).toEqual({ [inner]: both[inner] });
    expect(both[last]).toEqual((await runOnnx(bytes, { [input!.name]: [values, shape] }))[last]);
  },
);
