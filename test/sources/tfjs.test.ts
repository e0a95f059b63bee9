import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Checkpoint, SourceContext } from '../../src/sources/source.js';
import { tfjs } from '../../src/sources/tfjs.js';
import { expectError } from '../weights/expect-error.js';
import { temporaryFolder, testRuntime } from './test-runtime.js';

let root: string;
beforeEach(() => void (root = temporaryFolder()));
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Group {
  paths: string[];
  weights: object[];
}
const topology = { class_name: 'Sequential', config: [] };
const write = (name: string, content: string | Uint8Array): void => writeFileSync(join(root, name), content);
const writeModel = (weightsManifest: unknown, more: object = { modelTopology: topology, format: 'layers-model' }): void =>
  write('model.json', JSON.stringify({ ...more, weightsManifest }));
const floats = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);
const group = (bytes: Uint8Array, weights: object[], ...cuts: number[]): Group => {
  const edges = [0, ...cuts, bytes.length];
  const paths = edges.slice(1).map((end, index) => {
    write(`shard${index}.bin`, bytes.subarray(edges[index], end));
    return `shard${index}.bin`;
  });
  return { paths, weights };
};
const open = (location = root, context: Partial<SourceContext> = {}): Promise<Checkpoint> =>
  tfjs(location).open({ runtime: testRuntime(), ...context });
const values = async (checkpoint: Checkpoint, name: string): Promise<number[]> => [...(await checkpoint.tensor(name)).values];

describe('a local model', () => {
  test('gives its topology as config, its tensors and its neighbours', async () => {
    const weights = [
      { name: 'dense/kernel', shape: [2, 1], dtype: 'float32' },
      { name: 'dense/bias', shape: [1], dtype: 'float32' },
    ];
    writeModel([group(floats(1, 2, 3), weights)], { modelTopology: topology, format: 'layers-model', generatedBy: 'keras v2' });
    write('metadata.json', '{"labels":["a"]}');
    write('README.md', '---\nlicense: mit\n---');
    for (const location of [root, join(root, 'model.json'), `file://${root}/model.json`]) {
      const checkpoint = await open(location);
      expect(checkpoint).toMatchObject({ origin: location, license: 'mit' });
      expect(checkpoint.config).toEqual({ modelTopology: topology, format: 'layers-model', generatedBy: 'keras v2' });
      expect([...checkpoint.tensors]).toEqual([
        ['dense/kernel', { dtype: 'F32', shape: [2, 1] }],
        ['dense/bias', { dtype: 'F32', shape: [1] }],
      ]);
      expect(await values(checkpoint, 'dense/bias')).toEqual([3]);
      expect(await checkpoint.file('metadata.json')).toBeDefined();
      expect(await checkpoint.file('labels.txt')).toBeUndefined();
      expect(await checkpoint.file('../x')).toBeUndefined();
      await expectError(checkpoint.tensor('dense/kernal'), 'not-found', 'Did you mean "dense/kernel"');
    }
  });

  test('tensors may cross the borders of shards, also within a number', async () => {
    const weights = [
      { name: 'a', shape: [2], dtype: 'float32' },
      { name: 'b', shape: [3], dtype: 'float32' },
    ];
    writeModel([group(floats(1, 2, 3, 4, 5), weights, 3, 4, 4, 17)]);
    const checkpoint = await open();
    expect(await values(checkpoint, 'a')).toEqual([1, 2]);
    expect(await values(checkpoint, 'b')).toEqual([3, 4, 5]);
  });

  test('every dtype and quantisation decodes as tfjs does it', async () => {
    const weight = fc.record({
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      kind: fc.constantFrom(
        { dtype: 'float32' },
        { dtype: 'int32' },
        { dtype: 'bool' },
        { dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.1, min: -3 } },
        { dtype: 'float32', quantization: { dtype: 'uint16', scale: 0.001, min: -1 } },
        { dtype: 'float32', quantization: { dtype: 'float16' } },
        { dtype: 'int32', quantization: { dtype: 'uint8', scale: 1.5, min: -7 } },
      ),
    });
    const width = ({ dtype, quantization }: { dtype: string; quantization?: { dtype: string } }): number =>
      ({ uint8: 1, uint16: 2, float16: 2, bool: 1, float32: 4, int32: 4 })[quantization?.dtype ?? dtype]!;
    await fc.assert(
      fc.asyncProperty(
        fc.array(weight, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat(255)),
        fc.nat(40),
        async (list, stream, cut) => {
          const weights = list.map(({ shape, kind }, index) => ({ name: `w${index}`, shape, ...kind }));
          const size = weights.reduce((sum, entry) => sum + entry.shape.reduce((product, side) => product * side, 1) * width(entry), 0);
          // Booleans are 0 or 1, and that is a fair byte for all others.
          const bytes = Uint8Array.from({ length: size }, () => (stream.next().value as number) % 2);
          writeModel([group(bytes, weights, Math.min(cut, size))]);
          const checkpoint = await open();
          const reference = tf.io.decodeWeights(bytes.buffer, weights as tf.io.WeightsManifestEntry[]);
          for (const { name } of weights) expect(await values(checkpoint, name)).toEqual([...reference[name]!.dataSync()].map(Number));
          tf.dispose(reference);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('several groups, each with its own stream', async () => {
    const first = group(floats(1), [{ name: 'a', shape: [], dtype: 'float32' }]);
    write('other.bin', floats(2));
    writeModel([first, { paths: ['other.bin'], weights: [{ name: 'b', shape: [1], dtype: 'float32' }] }]);
    const checkpoint = await open();
    expect([await values(checkpoint, 'a'), await values(checkpoint, 'b')]).toEqual([[1], [2]]);
  });

  test('the revision follows the weights', async () => {
    const weights = [{ name: 'a', shape: [1], dtype: 'float32' }];
    writeModel([group(floats(1), weights)]);
    const before = (await open()).revision;
    expect((await open()).revision).toBe(before);
    group(floats(2), weights);
    expect((await open()).revision).not.toBe(before);
  });
});

describe('what can go wrong', () => {
  const one = { name: 'a', shape: [1], dtype: 'float32' };

  test('a GraphModel', async () => {
    writeModel([], { format: 'graph-model', modelTopology: {} });
    await expectError(open(), 'unsupported', 'GraphModel', 'tfjs_layers_model');
    writeModel([], { modelTopology: { node: [] } });
    await expectError(open(), 'unsupported', 'GraphModel');
  });

  test('nothing there, and another kind of JSON', async () => {
    await expectError(open(), 'not-found', 'no model.json');
    await expectError(open(join(root, 'none.json')), 'not-found', 'none.json');
    write('model.json', '{"a":1}');
    await expectError(open(), 'corrupt-file', 'no tfjs model', 'received: a');
    write('model.json', 'nonsense');
    await expectError(open(), 'corrupt-file', 'should hold a JSON object');
  });

  test('shards that are missing, outside, too short or too long', async () => {
    writeModel([{ paths: ['none.bin'], weights: [one] }]);
    await expectError(open(), 'not-found', 'lacks its weight file "none.bin"');
    writeModel([{ paths: ['../../etc/passwd'], weights: [one] }]);
    await expectError(open(), 'not-found', 'may not lie outside');
    writeModel([group(floats(), [one])]);
    await expectError(open(), 'corrupt-file', 'shards do not fit', 'expected: 4 bytes', 'received: 0 bytes');
    writeModel([group(floats(1, 2), [one])]);
    await expectError(open(), 'corrupt-file', 'received: 8 bytes');
  });

  test('shards that shrink after they were opened', async () => {
    writeModel([group(floats(1), [one])]);
    const checkpoint = await open();
    write('shard0.bin', new Uint8Array(2));
    await expectError(checkpoint.tensor('a'), 'corrupt-file', 'shard0.bin');
  });

  test.each<[string, unknown, ...string[]]>([
    ['no manifest', undefined, '"weightsManifest" is broken'],
    ['a manifest without paths', [{ weights: [] }], '"weightsManifest" is broken', '0.paths'],
    ['a negative size', [{ paths: [], weights: [{ ...one, shape: [-1] }] }], '0.weights.0.shape.0'],
    [
      'one name twice',
      [
        {
          paths: [],
          weights: [
            { ...one, shape: [0] },
            { ...one, shape: [0] },
          ],
        },
      ],
      'two tensors have one name',
    ],
    [
      'one name in two groups',
      [
        { paths: [], weights: [{ ...one, shape: [0] }] },
        { paths: [], weights: [{ ...one, shape: [0] }] },
      ],
      'has two tensors "a"',
    ],
    ['a size that cannot be counted', [{ paths: [], weights: [{ ...one, shape: [2 ** 40, 2 ** 40] }] }], 'too large'],
  ])('%s', async (_name, manifest, ...pieces) => {
    writeModel(manifest);
    await expectError(open(), 'corrupt-file', ...pieces);
  });

  test.each([
    [{ dtype: 'string' }, 'string'],
    [{ dtype: 'complex64' }, 'complex64'],
    [{ dtype: 'constructor' }, 'constructor'],
    [{ dtype: 'float32', quantization: { dtype: 'uint4' } }, 'quantised to uint4'],
    [{ dtype: 'bool', quantization: { dtype: 'uint8' } }, 'BOOL quantised to uint8'],
  ])('numbers of the type %j', async (type, piece) => {
    writeModel([{ paths: [], weights: [{ name: 'a', shape: [1], ...type }] }]);
    await expectError(open(), 'unsupported', 'tensor "a"', piece);
  });

  test('truncated bytes of a real model never crash', async () => {
    writeModel([group(floats(1, 2, 3), [{ name: 'a', shape: [3], dtype: 'float32' }])]);
    const text = readFileSync(join(root, 'model.json'));
    for (let length = 0; length < text.length; length++) {
      write('model.json', text.subarray(0, length));
      await expectError(open(), 'corrupt-file');
    }
  });
});

describe('a model on the web', () => {
  let server: Server;
  let address: string;
  let asked: string[];
  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(request.url!);
      const path = join(root, new URL(request.url!, 'http://host').pathname.replace('/models/', ''));
      if (!existsSync(path)) return void response.writeHead(404).end();
      response.end(readFileSync(path));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/model.json`;
    writeModel([group(floats(1, 2), [{ name: 'a', shape: [2], dtype: 'float32' }], 5)]);
    write('metadata.json', '{}');
  });
  afterEach(() => new Promise((done) => (server.close(done), server.closeAllConnections())));

  const openWeb = (context: Partial<SourceContext> = {}, url = address) => open(url, { cacheDir: join(root, 'cache'), ...context });

  test('is fetched with its shards and neighbours, and works offline afterwards', async () => {
    const checkpoint = await openWeb();
    expect(await values(checkpoint, 'a')).toEqual([1, 2]);
    expect(await checkpoint.file('metadata.json')).toHaveLength(2);
    expect(await checkpoint.file('labels.txt')).toBeUndefined();
    expect(asked).toEqual([
      '/models/model.json',
      '/models/shard0.bin',
      '/models/shard1.bin',
      '/models/metadata.json',
      '/models/labels.txt',
    ]);
    asked = [];
    const offline = await openWeb({ offline: true });
    expect(await values(offline, 'a')).toEqual([1, 2]);
    expect(offline.revision).toBe(checkpoint.revision);
    expect(await offline.file('metadata.json')).toHaveLength(2);
    expect(await offline.file('labels.txt')).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('keeps the query, for servers that tell files by it', async () => {
    await openWeb({}, `${address}?version=2`);
    expect(asked).toEqual(['/models/model.json?version=2', '/models/shard0.bin?version=2', '/models/shard1.bin?version=2']);
  });

  test('that is not there, not cached, or lacks a shard', async () => {
    await expectError(openWeb({}, address.replace('model.json', 'none.json')), 'not-found', 'none.json');
    await expectError(openWeb({ offline: true }), 'offline', 'model.json');
    rmSync(join(root, 'shard1.bin'));
    await expectError(openWeb(), 'not-found', 'shard1.bin');
  });
});

describe('real models', () => {
  const real = (path: string): string => fileURLToPath(new URL(`../../../shared/data/weights/${path}`, import.meta.url));
  const teachable = real('mobilenet-v2-0.35-224.teachable-machine');
  const darknet = real('darknet-tiny.tfjs-layers');
  const graph = real('mnasnet-0.35-flowers.tfjs-graph');
  const isAbsent = !existsSync(teachable);
  if (isAbsent) console.log('skipped: models of shared/data are not here');

  test.skipIf(isAbsent)('a Teachable Machine export reads as tfjs reads it', async () => {
    const checkpoint = await open(teachable);
    const bytes = readFileSync(join(teachable, 'weights.bin'));
    const { weightsManifest } = JSON.parse(readFileSync(join(teachable, 'model.json'), 'utf8')) as {
      weightsManifest: tf.io.WeightsManifestConfig;
    };
    const reference = tf.io.decodeWeights(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      weightsManifest[0]!.weights,
    );
    expect(checkpoint.tensors.size).toBe(Object.keys(reference).length);
    for (const name of ['Conv1/kernel', [...checkpoint.tensors.keys()].at(-1)!])
      expect(await values(checkpoint, name)).toEqual([...reference[name]!.dataSync()]);
    expect(await checkpoint.file('metadata.json')).toBeDefined();
    tf.dispose(reference);
  });

  test.skipIf(isAbsent)('31 shards, and a GraphModel', async () => {
    const checkpoint = await open(join(darknet, 'model.json'));
    for (const name of checkpoint.tensors.keys()) expect((await values(checkpoint, name)).every(Number.isFinite)).toBe(true);
    await expectError(open(graph), 'unsupported', 'GraphModel');
  });
});
