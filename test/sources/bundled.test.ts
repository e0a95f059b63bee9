import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadModel, loadPretrained, runtime as nodeRuntime } from 'transferkit';
import { pretrainedNames } from '../../src/catalogue.js';
import { TransferKitError } from '../../src/errors.js';
import type { Runtime } from '../../src/runtimes/runtime.js';
import { bundled, bundledUri, type BundledName } from '../../src/sources/bundled.js';
import { dequantize } from '../../src/sources/bundled/dequantize.js';
import { networks } from '../../src/sources/bundled/networks.js';
import { openPacked } from '../../src/sources/bundled/open-packed.js';
import { openSource } from '../../src/sources/index.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import { expectError } from '../weights/expect-error.js';
import { temporaryFolder, testRuntime } from './test-runtime.js';

const names = Object.keys(networks) as BundledName[];
const asset = (file: string): string => join(import.meta.dirname, '../../assets', file);

let root: string;
beforeEach(() => void (root = temporaryFolder()));
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A runtime that notes what is opened. */
function watching(): Runtime & { readonly opened: string[] } {
  const opened: string[] = [];
  const inner = testRuntime();
  const openFile: Runtime['openFile'] = (path) => {
    opened.push(path);
    return inner.openFile(path);
  };
  return { ...inner, openFile, opened };
}

/** A copy of a bundled file in which some bytes are others. */
function spoiled(name: BundledName, spoil: (bytes: Buffer) => Buffer): URL {
  const path = join(root, `${name}.safetensors`);
  writeFileSync(path, spoil(readFileSync(asset(`${name}.safetensors`))));
  return pathToFileURL(path);
}

describe.each(names)('%s', (name) => {
  test('opens without a network, and reads one file', async () => {
    const runtime = watching();
    const source = bundled(name);
    expect(runtime.opened).toEqual([]);
    const checkpoint = await source.open({ runtime: { ...runtime, download: () => expect.unreachable() }, offline: true });
    expect(runtime.opened).toEqual([pathToFileURL(asset(`${name}.safetensors`)).href]);
    expect(checkpoint).toMatchObject({ origin: `bundled://${name}`, license: 'apache-2.0', revision: `sha256:${networks[name].sha256}` });
    expect([...checkpoint.tensors.keys()].every((tensor) => tensor.startsWith('base/') && !tensor.endsWith('.scale'))).toBe(true);
    expect(new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
  });

  test('loads by its name, and says where it came from', async () => {
    using base = await loadPretrained(name, { offline: true });
    expect(base.provenance).toMatchObject({ origin: `bundled://${name}`, license: 'apache-2.0' });
    expect(pretrainedNames[name]).toEqual({ backbone: base.parts.family.name, source: `bundled://${name}` });
  });

  test('is within its size', () => {
    const ceilings: Record<BundledName, number> = { 'image-small': 3e6, 'text-small': 4e6, 'text-transformer': 6e6 };
    expect(statSync(asset(`${name}.safetensors`)).size).toBe(networks[name].bytes);
    expect(networks[name].bytes).toBeLessThan(ceilings[name]);
  });

  test('has a model card', () => expect(existsSync(asset(`${name}.md`))).toBe(true));
});

test('an address is a name behind bundled://', async () => {
  const checkpoint = await openSource('bundled://text-small', { runtime: testRuntime() });
  expect(checkpoint.origin).toBe('bundled://text-small');
  expect(checkpoint.config).toMatchObject({ transferkit: { format: 1, backbone: { name: 'static-embedding' }, input: { kind: 'text' } } });
});

test('a name that does not exist', async () => {
  const runtime = testRuntime();
  await expectError(
    openSource('bundled://text-smal', { runtime }),
    'unknown-name',
    '"text-smal"',
    'Did you mean "text-small"?',
    'image-small',
  );
  await expectError(bundledUri('bundled://constructor').open({ runtime }), 'unknown-name', '"constructor"');
});

test('a file that is not there', async () => {
  const url = pathToFileURL(join(root, 'none.safetensors'));
  await expectError(
    bundled('text-small', { url }).open({ runtime: testRuntime() }),
    'not-found',
    'bundled://text-small',
    url.href,
    'Fix: install the package again',
    "bundled('text-small', { url })",
  );
});

test('a copy elsewhere serves as well', async () => {
  const url = spoiled('image-small', (bytes) => bytes);
  const checkpoint = await bundled('image-small', { url }).open({ runtime: testRuntime() });
  expect(checkpoint.origin).toBe('bundled://image-small');
});

describe('a file that was changed', () => {
  test('one bit, which its SHA-256 tells', async () => {
    const flipped = spoiled('image-small', (bytes) => {
      bytes[bytes.length - 1]! ^= 1;
      return bytes;
    });
    const opening = bundled('image-small', { url: flipped }).open({ runtime: testRuntime() });
    await expectError(
      opening,
      'corrupt-file',
      'not the one',
      `Expected: SHA-256 ${networks['image-small'].sha256}`,
      'Received: SHA-256',
      'Fix:',
    );
  });

  test('cut short, before anything is read', async () => {
    const url = spoiled('image-small', (bytes) => bytes.subarray(0, 1000));
    const opening = bundled('image-small', { url }).open({ runtime: testRuntime() });
    await expectError(opening, 'corrupt-file', `Expected: ${networks['image-small'].bytes} bytes`, 'Received: 1000 bytes');
  });

  test('the file of another network', async () => {
    const url = pathToFileURL(asset('text-small.safetensors'));
    await expectError(bundled('image-small', { url }).open({ runtime: testRuntime() }), 'corrupt-file', 'bundled://image-small');
  });
});

test('where no SHA-256 can be computed, size and structure are checked', async () => {
  const sha256 = () => Promise.reject(new TransferKitError('unsupported', 'browsers compute SHA-256 on secure pages only'));
  const runtime = { ...testRuntime(), sha256 };
  expect((await bundled('image-small').open({ runtime })).tensors.size).toBeGreaterThan(10);
  const url = spoiled('image-small', (bytes) => bytes.fill(0x20, 8, 200));
  await expectError(bundled('image-small', { url }).open({ runtime }), 'corrupt-file', 'header');
  const broken = { ...testRuntime(), sha256: () => Promise.reject(new Error('out of memory')) };
  await expect(bundled('image-small').open({ runtime: broken })).rejects.toThrow('out of memory');
});

test('loadModel says that a base has no head', async () => {
  await nodeRuntime.chooseBackend();
  await expectError(loadModel('bundled://text-small'), 'bad-config', 'a base without a head', 'loadPretrained', 'addHead');
});

describe('a packed network', () => {
  const open = (tensors: Parameters<typeof writeSafetensors>[0], metadata: Record<string, string>) =>
    openPacked(writeSafetensors(tensors, metadata), { origin: 'packed', revision: '1' });
  const tensors = new Map([
    ['base/w', { shape: [2, 2], values: Int8Array.of(1, -2, 3, 127) }],
    ['base/w.scale', { shape: [1, 2], values: Float32Array.of(0.5, 0.1) }],
    ['base/b', { shape: [2], values: Float32Array.of(1, 2) }],
    ['base/rows', { shape: [2], values: Int32Array.of(4, 5) }],
    ['base/b.scale', { shape: [1], values: Float32Array.of(9) }],
  ]);

  test('gives floats for scaled whole numbers, and the rest as it is', async () => {
    const checkpoint = await open(tensors, { transferkit: '{"format":1}', 'file:vocab.txt': 'ä\nb' });
    expect(Object.fromEntries(checkpoint.tensors)).toEqual({
      'base/w': { dtype: 'F32', shape: [2, 2] },
      'base/b': { dtype: 'F32', shape: [2] },
      'base/rows': { dtype: 'I32', shape: [2] },
      'base/b.scale': { dtype: 'F32', shape: [1] },
    });
    expect((await checkpoint.tensor('base/w')).values).toEqual(Float32Array.of(0.5, -0.2, 1.5, 12.7));
    expect((await checkpoint.tensor('base/rows')).values).toEqual(Int32Array.of(4, 5));
    expect(checkpoint.config).toEqual({ transferkit: { format: 1 } });
    expect(new TextDecoder().decode(await checkpoint.file('vocab.txt'))).toBe('ä\nb');
    expect(await checkpoint.file('tokenizer.json')).toBeUndefined();
    expect(checkpoint.license).toBeUndefined();
    await expectError(checkpoint.tensor('base/w.scale'), 'not-found', '"base/w.scale"');
  });

  test('without its description', async () => {
    await expectError(open(tensors, {}), 'corrupt-file', 'packed', 'JSON object');
    await expectError(open(tensors, { transferkit: '[1]' }), 'corrupt-file', 'an array');
  });
});

test('a scale lies along any axis', () => {
  const values = Int32Array.from({ length: 8 }, (_, index) => index + 1);
  const scale = Float32Array.of(1, 10);
  const along = (shape: number[]) => [...dequantize({ shape: [2, 2, 2], values }, { shape, values: scale }).values];
  expect(along([2, 1, 1])).toEqual([1, 2, 3, 4, 50, 60, 70, 80]);
  expect(along([1, 2, 1])).toEqual([1, 2, 30, 40, 5, 6, 70, 80]);
  expect(along([1, 1, 2])).toEqual([1, 20, 3, 40, 5, 60, 7, 80]);
  const single = dequantize({ shape: [3, 1], values: Int32Array.of(1, 2, 3) }, { shape: [1, 1], values: Float32Array.of(2) });
  expect([...single.values]).toEqual([2, 4, 6]);
});
