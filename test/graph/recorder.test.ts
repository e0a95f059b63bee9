import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { record, type RecordRequest } from '../../src/graph/record.js';
import { recordingBackend, underRecording } from '../../src/graph/recording-backend.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { expectError } from '../weights/expect-error.js';
import { ortOrReason, type Ort } from './kernels/load-ort.js';
import { prepareBackends } from './kernels/same-in-graph.js';

beforeAll(prepareBackends);
beforeEach(() => tf.setBackend('wasm'));

type Compute = RecordRequest['compute'];
const input = (...shape: (number | string)[]): RecordRequest['inputs'][number] => ({ name: 'x', type: 'float32', shape });
const request = (
  compute: (x: tf.Tensor) => tf.Tensor,
  shape: (number | string)[] = ['batch', 4],
  rest: Partial<RecordRequest> = {},
): RecordRequest => ({
  name: 'test',
  inputs: [input(...shape)],
  outputs: ['y'],
  compute: ([x]) => [compute(x!)],
  ...rest,
});

/** A tensor that the cpu backend has, whichever is in use. */
function onCpu(values: number[], shape: number[] = [values.length]): tf.Tensor {
  const backend = tf.findBackend('cpu');
  const dataId = backend.write(Float32Array.from(values), shape, 'float32');
  return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype: 'float32' }, backend);
}

interface Books {
  readonly state: { readonly tensorInfo: WeakMap<object, { readonly backend: object }> };
}
const backendOf = ({ dataId }: tf.Tensor): unknown => (tf.engine() as unknown as Books).state.tensorInfo.get(dataId)!.backend;

async function run(bytes: Uint8Array, feeds: Record<string, [number[], number[]]>): Promise<Record<string, number[]>> {
  const ort = ortOrReason as Ort;
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const tensors = Object.entries(feeds).map(([name, [values, shape]]) => [
    name,
    new ort.Tensor('float32', Float32Array.from(values), shape),
  ]);
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data as Float32Array)]));
}

/** A small network with all kinds of constants and its gradients. */
function network(): { request: RecordRequest; weights: tf.Tensor[] } {
  const weights = [tf.randomNormal([3, 3, 2, 4], 0, 1, 'float32', 1), tf.randomNormal([4, 3], 0, 1, 'float32', 2), tf.scalar(0.5)];
  const [filter, kernel, factor] = weights;
  const loss = (x: tf.Tensor, w: tf.Tensor): tf.Scalar => {
    const maps = tf.relu(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, 'same'));
    return tf.sum(tf.mul(tf.logSoftmax(tf.matMul(tf.mean(maps, [1, 2]), w as tf.Tensor2D)), factor!));
  };
  const compute: Compute = ([x]) => tf.grads(loss)([x!, kernel!]);
  return { request: { name: 'network', inputs: [input('batch', 6, 6, 2)], outputs: ['dx', 'dw'], compute }, weights };
}

describe('recording', () => {
  test('gives the same bytes twice, and leaves nothing behind', () => {
    const { request: one, weights } = network();
    const before = { ...tf.memory() };
    const bytes = writeOnnx(record(one).model);
    expect(writeOnnx(record(one).model)).toEqual(bytes);
    expect({ ...tf.memory() }).toEqual(before);
    expect(tf.getBackend()).toBe('wasm');
    tf.dispose(weights);
  });

  test('leaves captured tensors where they are, and reads each of them once', () => {
    const [far, scalar] = [onCpu([1, 2, 3, 4]), tf.tidy(() => onCpu([3], []))];
    const unused = onCpu([9]);
    const near = tf.tensor1d([5, 6, 7, 8]);
    const reads = vi.spyOn(tf.findBackend('cpu') as tf.KernelBackend & { readSync(): unknown }, 'readSync');
    record(
      request((x) => tf.add(tf.mul(tf.add(tf.mul(x, far), tf.mul(near, far)), scalar), tf.zerosLike(unused).shape[0] === 1 ? near : far)),
    );
    expect(reads).toHaveBeenCalledTimes(2); // of two recordings, one is written
    reads.mockRestore();
    for (const tensor of [far, scalar, unused]) expect(backendOf(tensor) === tf.findBackend('cpu')).toBe(true);
    expect(backendOf(near) === tf.findBackend('wasm')).toBe(true);
    expect([[...far.dataSync()], [...scalar.dataSync()], [...near.dataSync()]]).toEqual([[1, 2, 3, 4], [3], [5, 6, 7, 8]]);
    tf.dispose([far, scalar, unused, near]);
  });

  test('writes data that is captured in many places once', () => {
    const weight = tf.randomNormal([4, 4], 0, 1, 'float32', 3) as tf.Tensor2D;
    const { model } = record(request((x) => tf.matMul(tf.matMul(tf.matMul(x, weight), weight), weight)));
    expect([...model.constants.values()].filter(({ bytes }) => bytes.length === 64)).toHaveLength(1);
    weight.dispose();
  });

  test('names inputs, outputs and free sizes', () => {
    const { model } = record(request((x) => tf.reshape(x, [-1, 2]), ['batch', 'tokens', 4]));
    const { inputs, outputs } = readOnnx(writeOnnx(model));
    expect(inputs).toMatchObject([{ name: 'x', shape: ['batch', 'tokens', 4] }]);
    expect(outputs).toMatchObject([{ name: 'y', shape: ['2*batch*tokens', 2] }]);
  });

  test.skipIf(ortOrReason instanceof Error)('tells a size that one token left out of a multiple of the batch', async () => {
    // the gradient of the first token is padded by the others
    const first = (x: tf.Tensor): tf.Tensor => tf.squeeze(tf.slice(x, [0, 0, 0], [-1, 1, -1]), [1]);
    const { model } = record(request((x) => tf.grad(first)(x), ['batch', 'tokens', 1]));
    for (const [batch, tokens] of [
      [1, 2],
      [2, 4],
      [5, 1],
    ] as const) {
      const { y } = await run(writeOnnx(model), { x: [Array<number>(batch * tokens).fill(7), [batch, tokens, 1]] });
      expect(y).toEqual(Array.from({ length: batch * tokens }, (_, place) => Number(place % tokens === 0)));
    }
  });
});

describe('variables of the state', () => {
  test.skipIf(ortOrReason instanceof Error)('keep their numbers; what was assigned comes out', async () => {
    const [moved, still] = [tf.variable(tf.tensor1d([1, 2])), tf.variable(tf.tensor1d([3, 4]))];
    const state = [
      { name: 'moved', variable: moved },
      { name: 'still', variable: still },
    ];
    const before = { ...tf.memory() };
    const recorded = record(
      request(
        (x) => {
          moved.assign(tf.add(moved, tf.mul(still, tf.sum(x))));
          return tf.mul(moved, 10); // what was assigned is seen at once
        },
        ['batch', 2],
        { state },
      ),
    );
    expect({ ...tf.memory() }).toEqual(before);
    expect(recorded.assigned).toEqual(['moved']);
    expect([[...moved.dataSync()], [...still.dataSync()]]).toEqual([[1, 2], [3, 4]]); // prettier-ignore
    const feeds = { x: [[1, 1, 1, 1], [2, 2]], moved: [[10, 20], [2]], still: [[1, -1], [2]] } as Record<string, [number[], number[]]>; // prettier-ignore
    expect(await run(writeOnnx(recorded.model), feeds)).toEqual({ y: [140, 160], 'moved/next': [14, 16] });
    tf.dispose([moved, still]);
  });

  test('must be told: another variable that is assigned to keeps its numbers too', async () => {
    const stranger = tf.variable(tf.tensor1d([5, 6]), false, 'stranger');
    await tf.setBackend('cpu');
    const far = tf.tidy(() => tf.variable(tf.tensor1d([7]), false, 'far'));
    await tf.setBackend('wasm');
    const before = { ...tf.memory() };
    const failing = (): unknown => record(request((x) => (stranger.assign(tf.sum(x, 0)), tf.relu(x)), ['batch', 2]));
    await expectError(failing, 'unsupported', 'assigns to stranger', 'its state leaves out');
    expect([...stranger.dataSync()]).toEqual([5, 6]);
    expect(backendOf(far) === tf.findBackend('cpu')).toBe(true);
    expect({ ...tf.memory() }).toEqual(before);
    tf.dispose([stranger, far]);
  });
});

const picture = (x: tf.Tensor): tf.Tensor4D => tf.reshape(x, [2, 4, 4, 3]);
const pictures = [2, 4, 4, 3];
const filter = (): tf.Tensor4D => tf.ones([3, 3, 3, 3]);
const kernel = (name: string, inputs: tf.NamedTensorMap, attributes: tf.NamedAttrMap): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attributes);

/** What a graph cannot hold: a piece of the message, the function, its input. */
const impossible: [message: string, compute: (x: tf.Tensor) => tf.Tensor, shape?: (number | string)[]][] = [
  ['the operation "TopK"', (x) => tf.topk(x, 2).values],
  ['the operation "TopK"', (x) => tf.grad((y: tf.Tensor) => tf.mul(tf.square(y), tf.topk(y, 1).values))(x)],
  ['looks at the numbers', (x) => tf.mul(x, tf.mean(x).dataSync()[0]!)],
  ['list of operations changes', (x) => tf.addN(Array.from({ length: x.shape[0]! }, () => tf.relu(x)))],
  ['operation Softmax changes', (x) => kernel('Softmax', { logits: x }, { dim: x.shape[0] === 3 ? 0 : 1 })],
  ['changes with the size of the batch', (x) => tf.mul(x, Math.log(x.shape[0]!))],
  ['a size that is', (x) => tf.slice(x, [0, 0], [(x.shape[0]! + 1) / 2, 4])],
  ['the operation "Complex"', (x) => tf.real(tf.complex(x, x))],
  ['a tensor of type string', (x) => (tf.tensor(['a']), x)],
  ['a mirror that repeats', (x) => tf.mirrorPad(x, [[0, 0], [1, 1]], 'symmetric')], // prettier-ignore
  ['rows for each example', (x) => tf.gather(x, tf.zeros([2, 2], 'int32') as never, 1, 1), [2, 4]],
  ['a choice of whole rows', (x) => kernel('Select', { condition: tf.zeros([2], 'bool'), t: x, e: x }, {}), [2, 4]],
  [
    'segments of several axes',
    (x) => kernel('UnsortedSegmentSum', { x, segmentIds: tf.zeros([2, 4], 'int32') }, { numSegments: 1 }),
    [2, 4],
  ],
  ['the activation "tanh"', (x) => tf.fused.matMul({ a: x as tf.Tensor2D, b: tf.ones([4, 2]), activation: 'tanh' as 'relu' }), [2, 4]],
  ['channels first', (x) => tf.conv2d(picture(x), tf.ones([3, 3, 4, 2]) as tf.Tensor4D, 1, 'same', 'NCHW'), pictures],
  ['leaves windows out', (x) => tf.conv2d(picture(x), tf.ones([3, 1, 3, 2]) as tf.Tensor4D, 1, 0), pictures],
  ['nothing but padding', (x) => tf.maxPool(picture(x), 2, 1, 2), pictures],
  ['a number for each channel', (x) => tf.batchNorm(x, x, x), pictures],
];

describe('what a graph cannot hold is told, and leaves nothing behind', () => {
  test.each(impossible)('%s', async (message, compute, shape = ['batch', 4]) => {
    const before = { ...tf.memory() };
    await expectError(() => record(request(compute, shape)), 'unsupported', message, 'cannot be recorded as a graph');
    expect({ ...tf.memory() }).toEqual(before);
    expect(tf.getBackend()).toBe('wasm');
    expect(tf.tidy(() => [...tf.add(filter(), 1).dataSync()].every((value) => value === 2))).toBe(true);
  });

  test('the operation is told beside the message', () => {
    const failing = (): unknown => record(request((x) => tf.topk(x).values));
    expect(failing).toThrow(expect.objectContaining({ details: { operation: 'TopK' } }));
  });

  test('a captured tensor of a backend that cannot be read at once', async () => {
    const slow = new (class extends tf.KernelBackend {
      override disposeData = (): boolean => true;
      override incRef = (): void => undefined;
    })();
    const given = tf.engine().makeTensorFromTensorInfo({ dataId: {}, shape: [4], dtype: 'float32' }, slow);
    const failing = (): unknown => record(request((x) => tf.mul(x, given)));
    await expectError(failing, 'unsupported', 'a tensor [4] of a backend that cannot be read at once');
    given.dispose();
  });

  test('an error of the function itself comes through as it is', () => {
    const failing = (): unknown => record(request((x) => tf.reshape(x, [7, 7, 7])));
    expect(failing).toThrow(/Size\(12\) must match the product of shape 7,7,7/);
  });

  test('a recording within a recording, and the recorder without one, are mistakes', () => {
    expect(() => underRecording(() => underRecording(() => 0))).toThrow('a recording within a recording');
    expect(tf.getBackend()).toBe('wasm');
    const backend = tf.findBackend(recordingBackend);
    expect(() => backend.write(new Float32Array(1), [1], 'float32')).toThrow('nothing is being recorded');
    expect(() => backend.move({}, new Float32Array(1), [1], 'float32', 1)).toThrow('to the recorder');
  });
});
