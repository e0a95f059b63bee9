import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examples } from '../../src/data/examples.js';
import { imageFolder } from '../../src/data/image-folder.js';
import { openData } from '../../src/data/open-data.js';
import { expectError } from './expect-error.js';

let root = '';
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'photos-'))));
afterAll(() => rm(root, { recursive: true }));

/** A folder with empty files of these names. */
async function folder(name: string, ...files: string[]): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  for (const file of files) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), '');
  }
  return path;
}

describe('imageFolder', () => {
  it('takes class folders, sorted, without hidden files and other kinds of file', async () => {
    const path = await folder(
      'pets',
      'dog/b.PNG',
      'dog/a.jpg',
      'cat/deep/er/c.jpeg',
      'cat/.hidden.jpg',
      'cat/notes.txt',
      '.git/x.jpg',
      '__MACOSX/x.jpg',
      'readme.md',
    );
    const pets = await imageFolder(path);
    expect(pets.items.map(({ id, target }) => [id, target])).toEqual([['cat/deep/er/c.jpeg', 'cat'], ['dog/a.jpg', 'dog'], ['dog/b.PNG', 'dog']]); // prettier-ignore
    expect(pets.items[1]!.input).toBe(join(path, 'dog', 'a.jpg'));
    expect(pets).toMatchObject({ modality: 'image', origin: path, labels: ['cat', 'dog'] });
    expect((await imageFolder(pathToFileURL(path))).items[1]!.input).toBe(join(path, 'dog', 'a.jpg'));
    expect((await imageFolder(path, { extensions: ['.txt', 'png'] })).items.map((item) => item.id)).toEqual(['cat/notes.txt', 'dog/b.PNG']);
  });

  it('hands on caps of its own', async () => {
    const path = await folder('capped', 'a/1.jpg', 'b/1.jpg');
    const { items } = await imageFolder(path, { limits: { maxPixels: 5 } });
    expect(items[0]!.input).toEqual({ image: join(path, 'a', '1.jpg'), limits: { maxPixels: 5 } });
  });

  it('follows links and stops where they lead back up', async () => {
    const path = await folder('linked', 'a/1.jpg', 'b/1.jpg');
    await symlink(path, join(path, 'b', 'up'));
    const found = await imageFolder(path);
    expect(found.items.length).toBeLessThan(100);
  });

  it('says what is wrong with a folder that cannot serve', async () => {
    await expectError(() => imageFolder(join(root, 'nowhere')), 'not-found', 'no folder');
    await expectError(async () => imageFolder(await folder('empty')), 'bad-data', 'no class folders', 'an empty folder');
    await expectError(async () => imageFolder(await folder('loose', '1.jpg', '2.jpg')), 'bad-data', '2 photos directly in it', 'cat/1.jpg');
    await expectError(async () => imageFolder(await folder('text', '1.txt')), 'bad-data', '1 files, none of them a photo');
    await expectError(async () => imageFolder(await folder('one', 'cat/1.jpg')), 'bad-data', 'one class only, "cat"');
    await expectError(
      async () => imageFolder(await folder('void', 'cat/1.txt', 'dog/1.txt'), { onBadItem: 'skip' }),
      'bad-data',
      'no photo in any',
    );
    await expectError(
      async () => imageFolder(await folder('parts', 'train/a/1.jpg', 'test/a/1.jpg')),
      'bad-data',
      'parts of a split',
      /imageFolder\(".*\/test"\)/,
    );
    await expectError(
      async () => imageFolder(await folder('gap', 'a/1.jpg', 'b/1.jpg', 'c/x.txt')),
      'bad-data',
      'class folder "c"',
      'holds no photo',
    );
    await expectError(() => imageFolder(root, { limit: 1 } as object), 'bad-option', 'Did you mean "limits"');
  });

  it('lists empty class folders on request', async () => {
    const { skipped } = await imageFolder(await folder('gap', 'a/1.jpg', 'b/1.jpg', 'c/x.txt'), { onBadItem: 'skip' });
    expect(skipped).toEqual([{ id: 'c', reason: 'a class folder without photos' }]);
  });

  const flowers = new URL('../../../shared/data/images/flowers/train', import.meta.url);
  it.skipIf(!existsSync(flowers))('reads a real folder (skipped without the shared data)', async () => {
    const photos = await imageFolder(flowers);
    expect([photos.length, photos.labels]).toEqual([3249, ['daisy', 'dandelion', 'rose', 'sunflower', 'tulip']]);
  });
});

describe('openData', () => {
  it('opens a folder for photos, a table for texts, and leaves a data set as it is', async () => {
    const path = await folder('open', 'a/1.jpg', 'b/1.jpg');
    await writeFile(join(root, 'rows.csv'), 'text,label\nx,a\n');
    expect((await openData(path, 'image')).labels).toEqual(['a', 'b']);
    expect((await openData(join(root, 'rows.csv'), 'text')).labels).toEqual(['a']);
    const data = examples([{ text: 'x', label: 'a' }]);
    expect(await openData(data, 'text')).toBe(data);
  });

  it('tells the one from the other', async () => {
    const path = await folder('open', 'a/1.jpg', 'b/1.jpg');
    await writeFile(join(root, 'rows.csv'), 'text,label\nx,a\n');
    await expectError(() => openData(join(root, 'rows.csv'), 'image'), 'bad-data', 'learns from a folder of photos', 'is a file');
    await expectError(() => openData(path, 'text'), 'bad-data', 'learns from a table of texts', 'is a folder');
    await expectError(() => openData(examples([{ text: 'x', label: 'a' }]) as never, 'image'), 'bad-data', 'takes photos', 'holds text');
  });
});
