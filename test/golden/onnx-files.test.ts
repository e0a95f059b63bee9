import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cutOnnx } from '../../src/graph/cut-onnx.js';
import type { OnnxModel, OnnxTensor, OnnxType } from '../../src/graph/onnx-model.js';
import { modelField } from '../../src/graph/onnx-fields.js';
import { protobufFields, protobufMessage } from '../../src/graph/protobuf-fields.js';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { runOnnx } from '../graph/run-onnx.js';
import { expectError } from '../weights/expect-error.js';

interface Told {
  readonly name: string;
  readonly shape: number[];
  readonly type?: OnnxType;
  readonly hex?: string;
}

interface Case {
  readonly file: Record<string, any> & { readonly initializers: Told[] };
  readonly runs?: { x: number[]; rows: number; values: Record<string, [shape: number[], values: number[]]> }[];
}

const open = (name: string) => ({
  bytes: new Uint8Array(readFileSync(new URL(`onnx/${name}.onnx`, import.meta.url))),
  golden: JSON.parse(readFileSync(new URL(`onnx/${name}.json`, import.meta.url), 'utf8')) as Case,
});

describe('files of the onnx package are read as it reads them', () => {
  test.each(['twin', 'branches', 'old', 'awkward'])('%s', (name) => {
    const { bytes, golden } = open(name);
    const file = readOnnx(bytes);
    const { irVersion, producer, name: graph, inputs, outputs, values } = file;
    const nodes = file.nodes.map(({ captured: _, ...node }) => node);
    const [operatorSets, metadata] = [Object.fromEntries(file.operatorSets), Object.fromEntries(file.metadata)];
    // JSON has null for what is not told.
    const read = JSON.parse(
      JSON.stringify({ irVersion, producer, name: graph, operatorSets, metadata, inputs, outputs, values, nodes }, (_, value) => value ?? null),
    );
    const { initializers, ...rest } = golden.file;
    const untyped = ({ type = null, ...value }: any) => ({ type, ...value });
    for (const list of ['inputs', 'outputs', 'values']) read[list] = read[list].map(untyped);
    expect(read).toEqual(rest);
    for (const { name: key, type, shape, hex } of initializers) {
      expect(file.initializers.get(key), key).toMatchObject(type === undefined ? { shape } : { shape, type });
      if (hex !== undefined) expect(Buffer.from(file.tensor(key).bytes).toString('hex'), key).toBe(hex);
    }
  });

  test('what is beside the usual', async () => {
    const file = readOnnx(open('awkward').bytes);
    expect(file.externalFiles).toEqual(['weights.bin']);
    expect(file.initializers.get('far')).toEqual({ type: 'float32', shape: [2, 3], stored: 'outside' });
    expect(file.initializers.get('thin')).toEqual({ type: 'float32', shape: [9], stored: 'sparse' });
    await expectError(() => file.tensor('far'), 'unsupported', 'in another file');
    await expectError(() => file.tensor('thin'), 'unsupported', 'a sparse tensor');
    await expectError(() => file.tensor('text'), 'unsupported', 'string');
    expect(readOnnx(open('branches').bytes).nodes[3]!.captured).toEqual(['hidden', 'bias']);
  });
});

/** A constant as the golden file tells it. */
const tensorOf = ({ type, shape, hex }: Told): OnnxTensor => ({ type: type!, shape, bytes: Uint8Array.from(Buffer.from(hex!, 'hex')) });
const bytesOf = (values: ArrayBufferView<ArrayBuffer>) => new Uint8Array(values.buffer);

/** What tools/golden/onnx_files.py builds in Python. */
const twin = (constants: readonly Told[]): OnnxModel => ({
  name: 'twin',
  nodes: [
    node('Constant', [], ['k'], { value: { tensor: { type: 'float32', shape: [2, 2], bytes: bytesOf(Float32Array.of(1, 2, 3, 4)) } } }),
    node('MatMul', ['x', 'k'], ['product']),
    node('LeakyRelu', ['product'], ['bent'], { alpha: { float: 0.1 } }),
    node('Transpose', ['bent'], ['turned'], { perm: { ints: [1, 0] } }),
    node('Clip', ['turned', '', 'limit'], ['clipped']),
    { ...node('Gelu', ['clipped'], ['smooth']), domain: 'com.microsoft' },
    node('Gelu', ['smooth'], ['gelu ä'], { approximate: { text: 'tanh' } }),
    node('Split', ['gelu ä'], ['first', 'second'], { num_outputs: { int: 2 }, axis: { int: -1 } }),
    node('ConstantOfShape', ['shape'], ['filled'], { value: { tensor: { type: 'int64', shape: [1], bytes: bytesOf(BigInt64Array.of(7n)) } } }),
  ],
  constants: new Map(constants.map((told) => [told.name, tensorOf(told)])),
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
  outputs: [
    { name: 'first', type: 'float32', shape: [1, 'batch'] },
    { name: 'filled', type: 'int64', shape: [3] },
  ],
  operatorSets: { 'com.microsoft': 1, '': 20 },
  metadata: { labels: '["kät", "дом"]', a: '1' },
});

function node(operator: string, inputs: string[], outputs: string[], attributes: OnnxModel['nodes'][number]['attributes'] = {}) {
  return { operator, inputs, outputs, attributes };
}

/** The fields of a model but its producer's version, which changes with every release. */
function fieldsOf(bytes: Uint8Array): string[] {
  const fields = [...protobufFields(protobufMessage('model', bytes))].filter(({ number }) => number !== modelField.producerVersion);
  return fields.map(({ head, end }) => Buffer.from(bytes.subarray(head, end)).toString('latin1'));
}

test('our bytes are those that the onnx package writes for the same model', () => {
  const { bytes, golden } = open('twin');
  expect(fieldsOf(writeOnnx(twin(golden.file.initializers)))).toEqual(fieldsOf(bytes));
});

describe('cut files give the inner tensors of the reference', () => {
  const cases = ['branches', 'old'].flatMap((name) => Object.keys(open(name).golden.runs![0]!.values).map((tensor) => [name, tensor] as const));

  test.each(cases)('%s at %s', async (name, tensor) => {
    const { bytes, golden } = open(name);
    const cut = cutOnnx(bytes, [tensor]);
    for (const { x, rows, values } of golden.runs!) {
      const result = (await runOnnx(cut, { x: [x, [rows, x.length / rows]] }))[tensor]!;
      const [shape, expected] = values[tensor]!;
      expect(result.shape).toEqual(shape);
      result.values.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, 5));
    }
  });

  test('a weight that only a branch uses stays; one that nothing uses goes, as its place among the inputs', () => {
    const { bytes } = open('branches');
    expect([...readOnnx(cutOnnx(bytes, ['chosen'])).initializers.keys()]).toEqual(['w', 'bias', 'zero']);
    expect([...readOnnx(cutOnnx(bytes, ['hidden'])).initializers.keys()]).toEqual(['w']);
    const old = readOnnx(cutOnnx(open('old').bytes, ['hidden']));
    expect(old.inputs.map(({ name }) => name)).toEqual(['x']);
    expect([...old.initializers.keys()]).toEqual(['w']);
  });

  test('the type of an inner tensor is taken along where the file tells it, and told once', () => {
    const { outputs, values } = readOnnx(cutOnnx(open('branches').bytes, ['hidden']));
    expect(outputs).toEqual([{ name: 'hidden', type: 'float32', shape: ['batch', 4] }]);
    expect(values).toEqual([]);
  });

  test('notes on quantised tensors go with their tensors, and keep the weights that they name', () => {
    const { bytes } = open('awkward');
    expect([...readOnnx(cutOnnx(bytes, ['y'])).initializers.keys()]).toEqual(['l_float32']);
    const without = cutOnnx(bytes, ['l_int8']);
    expect([...readOnnx(without).initializers.keys()]).toEqual(['l_int8']);
    expect(Buffer.from(without).includes('SCALE_TENSOR')).toBe(false);
  });
});
