import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { joinPath, listFolder, openFile, sha256, toPath } from '../../src/runtimes/node/files.js';
import { storageError } from '../../src/runtimes/node/storage-error.js';
import { writeFolder } from '../../src/runtimes/node/write-folder.js';
import { expectError } from '../data/expect-error.js';

let folder = '';
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'files-'))));
afterEach(async () => {
  vi.doUnmock('node:fs/promises');
  await chmod(folder, 0o755);
  await rm(folder, { recursive: true });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const isRoot = process.getuid?.() === 0;

describe('openFile', () => {
  it('reads ranges by path and by file address, and leaves no handle open', async () => {
    const path = join(folder, 'ä b.txt');
    await writeFile(path, 'hello world');
    const handles = (): number => readdirSync('/proc/self/fd').length;
    const before = process.platform === 'linux' ? handles() : 0;
    for (const name of [path, pathToFileURL(path).href]) {
      const file = await openFile(name);
      expect(file).toMatchObject({ size: 11, origin: path });
      const parts = await Promise.all(Array.from({ length: 20 }, (_, index) => file!.read(index % 5, 11)));
      expect(text(parts[1]!)).toBe('ello world');
      expect(await file!.read(11, 11)).toHaveLength(0);
    }
    if (process.platform === 'linux') expect(handles()).toBe(before);
  });

  it('is undefined where there is no file', async () => {
    await writeFile(join(folder, 'a'), '');
    expect(await openFile(join(folder, 'nowhere'))).toBeUndefined();
    expect(await openFile(join(folder, 'a', 'below-a-file'))).toBeUndefined();
    expect(await openFile(folder)).toBeUndefined();
  });

  it('refuses ranges outside the file, and files that shrank or vanished', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'hello');
    const file = (await openFile(path))!;
    await expectError(() => file.read(2, 9), 'corrupt-file', 'has 5 bytes', '2 to 9');
    await expectError(() => file.read(-1, 3), 'corrupt-file', '-1 to 3');
    await expectError(() => file.read(3, 2), 'corrupt-file', '3 to 2');
    await truncate(path, 3);
    await expectError(() => file.read(0, 5), 'corrupt-file', 'has 3 bytes');
    await rm(path);
    await expectError(() => file.read(0, 1), 'storage', 'cannot read', 'ENOENT');
  });

  it.skipIf(isRoot)('says when it may not look (skipped for root, who always may)', async () => {
    await mkdir(join(folder, 'closed'));
    await writeFile(join(folder, 'closed', 'a'), '');
    await chmod(join(folder, 'closed'), 0);
    await expectError(() => openFile(join(folder, 'closed', 'a')), 'storage', 'permission is denied');
    await expectError(() => listFolder(join(folder, 'closed')), 'storage', 'cannot list', 'EACCES');
    await chmod(join(folder, 'closed'), 0o755);
  });

  it('says when the path itself cannot be used', async () => {
    await expectError(() => openFile('a\0b'), 'storage', 'cannot open');
    await expectError(() => listFolder('a\0b'), 'storage', 'cannot list');
  });
});

it('listFolder gives entries sorted by name and follows links', async () => {
  await mkdir(join(folder, 'b'));
  await writeFile(join(folder, 'a'), '');
  await symlink(join(folder, 'b'), join(folder, 'c'));
  await symlink(join(folder, 'nowhere'), join(folder, 'd'));
  const expected = [['a', false], ['b', true], ['c', true], ['d', false]]; // prettier-ignore
  for (const path of [folder, pathToFileURL(folder).href]) {
    expect((await listFolder(path))!.map(({ name, isFolder }) => [name, isFolder])).toEqual(expected);
  }
  expect(await listFolder(join(folder, 'nowhere'))).toBeUndefined();
  expect(await listFolder(join(folder, 'a'))).toBeUndefined();
});

it('paths: file addresses, and the relative form that tfjs writes', () => {
  expect(toPath('file:///a%20b/c')).toBe('/a b/c');
  expect(toPath('file://localhost/a')).toBe('/a');
  expect(toPath('file://my-model')).toBe('my-model');
  expect(toPath('file://./my-model/x')).toBe('./my-model/x');
  expect(toPath('a/file:b')).toBe('a/file:b');
  expect(joinPath('file:///a', 'b', 'c.txt')).toBe(join('/a', 'b', 'c.txt'));
  expect(joinPath('a', '..', 'b')).toBe('b');
});

it('sha256 is lower-case hex', async () => {
  expect(await sha256(bytes('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

describe('writeFolder', () => {
  const files = new Map([['config.json', bytes('{}')], ['weights/a.bin', bytes('aaa')]]); // prettier-ignore
  /** Everything below the test's folder, hidden leftovers too. */
  const everything = async (): Promise<string[]> => (await readdir(folder, { recursive: true })).sort();
  const written = ['model', join('model', 'config.json'), join('model', 'weights'), join('model', 'weights', 'a.bin')];

  it('writes a new folder, parents too, and replaces an old one as a whole', async () => {
    await writeFolder(join(folder, 'model'), files);
    expect(await everything()).toEqual(written);
    await writeFile(join(folder, 'model', 'stale.txt'), 'old');
    await writeFolder(pathToFileURL(join(folder, 'model')).href, new Map([...files, ['config.json', bytes('new')]]));
    expect(await everything()).toEqual(written);
    expect(await readFile(join(folder, 'model', 'config.json'), 'utf8')).toBe('new');
    await writeFolder(join(folder, 'deep', 'er', 'model'), files);
    expect(await readFile(join(folder, 'deep', 'er', 'model', 'weights', 'a.bin'), 'utf8')).toBe('aaa');
  });

  it.each(['../evil', '/etc/evil', 'a/../../evil', '', 'a\0b', '..'])('refuses the file name %j and writes nothing', async (name) => {
    await expectError(
      () => writeFolder(join(folder, 'model'), new Map([...files, [name, bytes('x')]])),
      'bad-option',
      'outside its folder',
    );
    expect(await everything()).toEqual([]);
  });

  it('says when a file is in the way', async () => {
    await writeFile(join(folder, 'a'), '');
    await expectError(() => writeFolder(join(folder, 'a', 'model'), files), 'storage', 'cannot write');
    expect(await everything()).toEqual(['a']);
  });

  it.skipIf(isRoot)('says when it may not write (skipped for root, who always may)', async () => {
    await chmod(folder, 0o555);
    await expectError(() => writeFolder(join(folder, 'model'), files), 'storage', 'permission is denied', 'EACCES');
  });

  /** The module with one file-system call that fails in its nth use. */
  async function withFailing(call: 'rename' | 'open' | 'mkdtemp', code: string, failAt: number) {
    vi.resetModules();
    let uses = 0;
    vi.doMock('node:fs/promises', async (original) => {
      const real = await original<Record<string, (...parts: unknown[]) => Promise<unknown>>>();
      const failing = (...parts: unknown[]): Promise<unknown> =>
        ++uses === failAt ? Promise.reject(Object.assign(new Error(code), { code })) : real[call]!(...parts);
      return { ...real, [call]: failing };
    });
    return (await import('../../src/runtimes/node/write-folder.js')).writeFolder;
  }

  it.each([
    ['open', 'ENOSPC', 2, 'the disk is full'],
    ['mkdtemp', 'EROFS', 1, 'the disk is read-only'],
    ['rename', 'EACCES', 1, 'permission is denied'],
    ['rename', 'EIO', 2, 'the system refused \\(EIO\\)'],
  ] as const)('leaves the old folder and nothing else when %s fails with %s', async (call, code, failAt, message) => {
    await writeFolder(join(folder, 'model'), files);
    const failing = await withFailing(call, code, failAt);
    const error = await failing(join(folder, 'model'), new Map([['config.json', bytes('new')], ['b', bytes('b')]])).catch((reason: unknown) => reason); // prettier-ignore
    expect(error).toMatchObject({ code: 'storage', message: expect.stringMatching(message) as string });
    expect(await everything()).toEqual(written);
    expect(await readFile(join(folder, 'model', 'config.json'), 'utf8')).toBe('{}');
  });
});

it('storageError tells causes that are not system errors as well', () => {
  expect(storageError('write', 'x', 'odd').message).toContain('cannot write "x": odd');
});
