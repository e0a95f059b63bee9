/** The files behind checkpoints and logs: whole or absent, growing, removed. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runtime } from 'transferkit/node';
import { expectFailure } from 'transferkit/testing';

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-files-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('a file is written whole, over an old one, in a folder that is made for it', async () => {
  const folder = join(temporary(), 'a', 'b');
  await runtime.writeFile!(join(folder, 'x.json'), bytes('first, and longer'));
  await runtime.writeFile!(`file://${join(folder, 'x.json')}`, bytes('second'));
  expect(readdirSync(folder)).toEqual(['x.json']);
  expect(readFileSync(join(folder, 'x.json'), 'utf8')).toBe('second');
});

test('a file grows, and is cut where that is wanted', async () => {
  const path = join(temporary(), 'a', 'x.log');
  await runtime.appendFile!(path, bytes('one'));
  await runtime.appendFile!(path, bytes('two'));
  await runtime.appendFile!(path, bytes('2'), 3);
  await runtime.appendFile!(path, bytes(''), 100);
  expect(readFileSync(path, 'utf8')).toBe('one2');
  await runtime.appendFile!(path, bytes(''), 0);
  expect(readFileSync(path, 'utf8')).toBe('');
});

test('what is removed is gone, and what was not there does not matter', async () => {
  const folder = temporary();
  await runtime.writeFile!(join(folder, 'a/b/x'), bytes('x'));
  await runtime.remove!(join(folder, 'a'));
  await runtime.remove!(join(folder, 'a'));
  expect(readdirSync(folder)).toEqual([]);
});

test('a lock is given back once, and a foreign one is never removed', async () => {
  const path = join(temporary(), 'lock');
  const first = await runtime.tryLock!(path);
  if (!first.taken) throw new Error('not taken');
  writeFileSync(path, '{"somebody": "else"}');
  await first.release();
  expect(readFileSync(path, 'utf8')).toBe('{"somebody": "else"}');
  expect(await runtime.tryLock!(path)).toEqual({ taken: false, holder: 'another process' });
});

test('a place that cannot be written is a storage error that names it', async () => {
  const folder = temporary();
  writeFileSync(join(folder, 'file'), '');
  const inside = join(folder, 'file', 'x');
  await expectFailure(() => runtime.writeFile!(inside, bytes('')), 'storage', inside);
  await expectFailure(() => runtime.appendFile!(inside, bytes('')), 'storage', inside);
  await expectFailure(() => runtime.tryLock!(inside), 'storage', inside);
  if (process.getuid?.() === 0) return; // root may remove anything
  chmodSync(folder, 0o500);
  onTestFinished(() => chmodSync(folder, 0o700));
  await expectFailure(() => runtime.remove!(join(folder, 'file')), 'storage', 'permission is denied');
});
