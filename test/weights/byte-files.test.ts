import { expect, test } from 'vitest';
import { memoryFile } from '../../src/weights/byte-file.js';
import { isInnerPath, licenseOfCard } from '../../src/weights/checkpoint-files.js';
import { concatFiles } from '../../src/weights/concat-files.js';
import { contentSample } from '../../src/weights/content-sample.js';
import { findJsonTrick } from '../../src/weights/find-json-trick.js';
import { expectError } from './expect-error.js';

test('several files read as one', async () => {
  const file = concatFiles(
    [[1, 2], [], [3], [4, 5, 6]].map((bytes) => memoryFile(Uint8Array.from(bytes))),
    'shards',
  );
  expect(file.size).toBe(6);
  for (let start = 0; start <= 6; start++) {
    for (let end = start; end <= 6; end++) expect([...(await file.read(start, end))]).toEqual([1, 2, 3, 4, 5, 6].slice(start, end));
  }
  for (const [start, end] of [
    [-1, 2],
    [4, 7],
    [3, 2],
    [NaN, 2],
  ] as const)
    await expectError(file.read(start, end), 'corrupt-file', 'shards', '6 bytes');
});

test('the sample of a small file is the file, that of a large one holds its ends', async () => {
  const bytes = Uint8Array.of(1, 2, 3);
  expect(await contentSample(memoryFile(bytes))).toEqual(bytes);
  const size = 64 * 2 ** 20 + 1;
  const read = (start: number, end: number) => Promise.resolve(new Uint8Array(end - start).fill(end === size ? 9 : start === 0 ? 7 : 0));
  const sample = await contentSample({ size, origin: 'large', read });
  expect([sample.length, sample[0], sample.at(-1)]).toEqual([64 * 65536, 7, 9]);
});

test('paths that stay inside, and those that do not', () => {
  expect(['a', 'a/b.json', '1_Pooling/config.json', 'a..b'].every(isInnerPath)).toBe(true);
  expect(['', '/a', 'a/', '..', 'a/../b', './a', 'a//b', 'a\\b', 'c:a', 'a\0b'].some(isInnerPath)).toBe(false);
});

test('the licence of a model card', () => {
  const license = (card: string) => licenseOfCard(new TextEncoder().encode(card));
  expect(license('---\nlicense: apache-2.0\n---\n')).toBe('apache-2.0');
  expect(license("---\r\ntags:\r\n- x\r\nlicense: 'mit'\r\n---\r\n")).toBe('mit');
  expect(license('---\ntags: x\n---\nlicense: mit')).toBeUndefined();
  expect(license('license: mit')).toBeUndefined();
  expect(licenseOfCard(undefined)).toBeUndefined();
});

test('what JSON.parse hides', () => {
  expect(findJsonTrick('{"a":{"b":1},"b":[{"b":1},{"b":2}],"c":"{\\"a\\":1,\\"a\\":2}"}')).toBeUndefined();
  expect(findJsonTrick('{"a":1,"b":{"c":1,"d":2,"c":3}}')).toContain('"c" twice');
  expect(findJsonTrick('{"a":{"x":1},"a":2}')).toContain('"a" twice');
  expect(findJsonTrick('['.repeat(9))).toContain('deeper');
  for (const broken of ['{"a', '{"a\\', ':::', '}}}', '{"\\q":1,"\\q":2}']) expect(() => findJsonTrick(broken)).not.toThrow();
});
