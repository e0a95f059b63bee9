import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSource, sources } from '../../src/sources/index.js';
import { memory } from '../../src/sources/memory.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import { expectError } from '../weights/expect-error.js';
import { temporaryFolder, testRuntime } from './test-runtime.js';

const runtime = testRuntime();
let root: string;
beforeEach(() => void (root = temporaryFolder()));
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the list equals the folder', async () => {
  const files = readdirSync(new URL('../../src/sources/', import.meta.url), { withFileTypes: true });
  const names = files
    .filter((file) => file.isFile() && !['index.ts', 'source.ts'].includes(file.name))
    .map(({ name }) => name.replace('.ts', ''));
  expect(sources.map(({ name }) => name).sort()).toEqual(names.sort());
});

test('each entry loads a source of its own name', async () => {
  for (const { name, load } of sources) {
    const source = (await load())('hf://acme/net');
    expect(source).toMatchObject({ apiVersion: 1, name });
    expect(Object.isFrozen(source)).toBe(true);
  }
});

describe('an address goes to its source', () => {
  const acceptedBy = async (uri: string): Promise<string | undefined> => {
    for (const { name, accepts } of sources) if (await accepts(uri, runtime)) return name;
    return undefined;
  };

  test('by its form, or by what lies there', async () => {
    mkdirSync(join(root, 'web'));
    writeFileSync(join(root, 'web', 'model.json'), '{}');
    expect(await acceptedBy('hf://acme/net')).toBe('hugging-face');
    expect(await acceptedBy('bundled://text-small')).toBe('bundled');
    expect(await acceptedBy('https://host/model.json?v=1')).toBe('tfjs');
    expect(await acceptedBy(join(root, 'web'))).toBe('tfjs');
    expect(await acceptedBy(`file://${root}/web/model.json`)).toBe('tfjs');
    expect(await acceptedBy(root)).toBe('folder');
    expect(await acceptedBy(`file://${root}`)).toBe('folder');
    expect(await acceptedBy('nowhere/model.safetensors')).toBe('folder');
    expect(await acceptedBy('https://host/model.bin')).toBeUndefined();
    expect(await acceptedBy('nowhere')).toBeUndefined();
    writeFileSync(join(root, 'web', 'model.safetensors'), '');
    expect(await acceptedBy(join(root, 'web'))).toBe('folder'); // safetensors keep more than tfjs does
  });

  test('and is opened', async () => {
    writeFileSync(join(root, 'model.safetensors'), writeSafetensors(new Map([['a', { shape: [1], values: new Float32Array(1) }]])));
    expect([...(await openSource(root, { runtime })).tensors.keys()]).toEqual(['a']);
    expect((await openSource(memory({ tensors: {}, origin: 'mine' }), { runtime })).origin).toBe('mine');
  });
});

test('an address that is not known', async () => {
  await expectError(openSource('s3://bucket/x', { runtime }), 'unknown-name', 's3://bucket/x', 'hf://owner/repo@revision');
  await expectError(openSource('acme/net', { runtime }), 'not-found', 'no checkpoint at "acme/net"', 'write "hf://acme/net"');
  await expectError(openSource('./no/such/folder', { runtime }), 'not-found', 'path/to/folder');
  await expectError(openSource('https://host/model.bin', { runtime }), 'not-found', 'https://host/model.json');
});
