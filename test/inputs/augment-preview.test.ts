import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examples, imageFolder } from 'transferkit/data';
import type { Base } from '../../src/base.js';
import type { Dataset } from '../../src/data/dataset.js';
import { contactSheet } from '../../src/inputs/augment/contact-sheet.js';
import { imageAugmentation } from '../../src/inputs/augment/image-augmentation.js';
import { textAugmentation } from '../../src/inputs/augment/text-augmentation.js';
import { viewRandom } from '../../src/inputs/augment/view-random.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import { previewAugmentation } from '../../src/preview-augmentation.js';
import { createImageEncoder, decodeImage, encodeImage } from '../../src/runtimes/node/images.js';
import { runtime } from '../../src/runtimes/node.js';
import type { RgbImage } from '../../src/runtimes/runtime.js';
import { expectError } from '../data/expect-error.js';

const limits = { maxBytes: 1e8, maxPixels: 1e8 };
const golden = (path: string): string => new URL(`../golden/${path}/checkpoint`, import.meta.url).pathname;

let folder: string;
let photos: Base<'image'>;
let texts: Base<'text'>;
const pixels: RgbImage = { width: 60, height: 48, data: Uint8Array.from({ length: 60 * 48 * 3 }, (_, index) => (index * 7) % 256) };
let data: Dataset<'image'>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'preview-'));
  photos = (await loadPretrained(golden('mobilenet-v2/huggingface'))) as Base<'image'>;
  texts = (await loadPretrained(golden('bert/sentence-transformers-mean'))) as Base<'text'>;
  data = examples([{ id: 'one', image: pixels, label: 'a' }, { id: 'two', image: pixels, label: 'b' }]); // prettier-ignore
});
afterAll(() => {
  photos.dispose();
  texts.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** One cell of a contact sheet. */
function cell({ data: bytes, width }: RgbImage, size: number, row: number, column: number): number[] {
  const left = 4 + column * (size + 4) + (column > 0 ? 12 : 0);
  const rows = Array.from({ length: size }, (_, y) => ((4 + row * (size + 4) + y) * width + left) * 3);
  return rows.flatMap((start) => [...bytes.slice(start, start + size * 3)]);
}

describe('previewAugmentation of photos', () => {
  it('shows examples as they are and the views that training draws', async () => {
    const augmentation = imageAugmentation('strong');
    const { kind, ids, sheet } = await previewAugmentation(data, augmentation, { base: photos, columns: 3, seed: 5 });
    expect([kind, ids]).toEqual(['image', ['one', 'two']]);
    const { processor } = photos.parts;
    const size = (await processor.encode(pixels)).arrays[0]!.shape[0]!;
    expect([sheet.width, sheet.height]).toEqual([4 * (size + 4) + 16, 2 * (size + 4) + 4]);
    const shown = async (id: string, view: number): Promise<number[]> => {
      const encoded = await processor.encode(pixels, view === 0 ? undefined : { augmentation, random: viewRandom(5, id, view) });
      return [...(processor.show!(encoded) as RgbImage).data];
    };
    for (const [row, id] of ids.entries())
      for (let view = 0; view <= 3; view++) expect(cell(sheet, size, row, view), `${id} ${view}`).toEqual(await shown(id, view));
  });

  it('writes a PNG, whole', async () => {
    const path = join(folder, 'deep/views.png');
    const { sheet, png } = await previewAugmentation(data, imageAugmentation(), { base: photos, rows: 1, columns: 2, path });
    expect(new Uint8Array(readFileSync(path))).toEqual(png);
    const decoded = await decodeImage(png, 'views', limits);
    expect([decoded.width, decoded.height]).toEqual([sheet.width, sheet.height]);
    expect(Buffer.compare(Buffer.from(decoded.data), Buffer.from(sheet.data))).toBe(0);
    expect(readdirSync(join(folder, 'deep'))).toEqual(['views.png']);
    const broken = join(folder, 'deep/views.png/x.png');
    await expectError(
      () => previewAugmentation(data, imageAugmentation(), { base: photos, rows: 1, columns: 1, path: broken }),
      'storage',
      'x.png',
    );
  });

  it('passes over photos that cannot be read where the data says so', async () => {
    const list = [{ id: 'gone', image: 'no-such.jpg', label: 'a' }, { id: 'there', image: pixels, label: 'b' }]; // prettier-ignore
    const options = { base: photos, columns: 1 };
    const { ids } = await previewAugmentation(examples(list, { onBadItem: 'skip' }), imageAugmentation(), options);
    expect(ids).toEqual(['there']);
    await expectError(() => previewAugmentation(examples(list), imageAugmentation(), options), 'not-found', 'no-such.jpg');
    const none = examples(list.slice(0, 1), { onBadItem: 'skip' });
    await expectError(() => previewAugmentation(none, imageAugmentation(), options), 'bad-data', 'nothing to preview');
  });

  const flowers = new URL('../../../shared/data/images/flowers/train', import.meta.url).pathname;
  it.skipIf(!existsSync(flowers))('shows real photos (needs ../shared/data)', async () => {
    const real = (await imageFolder(flowers)).shuffle(1);
    const { ids, sheet } = await previewAugmentation(real, imageAugmentation('light'), { base: photos, rows: 3, columns: 2 });
    expect(ids).toEqual(real.items.slice(0, 3).map(({ id }) => id));
    expect(new Set(sheet.data).size).toBeGreaterThan(200);
  });
});

describe('previewAugmentation of texts', () => {
  const sentences = examples([{ text: 'the cat | sat on the mat', label: 'a' }, { text: ['a dog ran', 'far\naway'], label: 'b' }]); // prettier-ignore

  it('gives the views as text and as a table', async () => {
    const path = join(folder, 'views.md');
    const { kind, texts: rows, markdown } = await previewAugmentation(sentences, textAugmentation(), { base: texts, columns: 2, path });
    expect(kind).toBe('text');
    expect(rows.map((row) => row.length)).toEqual([3, 3]);
    expect(rows.flat().every((text) => text.includes('[CLS]'))).toBe(true);
    expect(markdown.split('\n').slice(0, 2)).toEqual(['| example | as it is | view 1 | view 2 |', '| --- | --- | --- | --- |']);
    expect(markdown.split('\n').slice(2).map((line) => line.split(/(?<!\\)\|/).length)).toEqual([6, 6, 1]); // prettier-ignore
    expect(readFileSync(path, 'utf8')).toBe(markdown);
  });
});

describe('previewAugmentation', () => {
  it('refuses what does not fit', async () => {
    const use =
      (changes: object, augmentation: unknown = imageAugmentation()) =>
      () =>
        previewAugmentation(data, augmentation as never, { base: photos, ...changes });
    await expectError(use({ rows: 0 }), 'bad-option', /rows[^]*1 to 50[^]*Received: 0/);
    await expectError(use({ columns: 51 }), 'bad-option', /columns/);
    await expectError(use({ colums: 5 }), 'bad-option', 'Did you mean "columns"');
    await expectError(use({}, textAugmentation()), 'bad-option', /takes photos[^]*kind "text"/);
    await expectError(use({}, { kind: 'image', flip: 7 }), 'bad-option', 'flip');
    await expectError(use({ base: texts }), 'bad-data', /takes texts/);
  });

  it('says what a place cannot do', async () => {
    const poorer = (changes: object): Base<'image'> =>
      ({ modality: 'image', assertUsable: () => undefined, parts: { ...photos.parts, ...changes } }) as unknown as Base<'image'>;
    const use = (base: Base<'image'>) => () =>
      previewAugmentation(data, imageAugmentation(), { base, rows: 1, columns: 1, path: join(folder, 'x.png') });
    const { encodeImage: _encode, ...withoutEncoder } = runtime;
    const { writeFile: _write, ...withoutFiles } = runtime;
    const { show: _show, ...withoutShow } = photos.parts.processor;
    await expectError(use(poorer({ runtime: withoutEncoder })), 'unsupported', 'cannot be encoded here');
    await expectError(use(poorer({ runtime: withoutFiles })), 'unsupported', /cannot be written here[^]*leave path out/);
    await expectError(use(poorer({ processor: withoutShow })), 'unsupported', /show\(encoded\)/);
  });
});

describe('contactSheet', () => {
  it('sets pictures of different sizes into cells of the largest, on white', () => {
    const plain = (width: number, height: number): RgbImage => ({ width, height, data: new Uint8Array(width * height * 3) });
    const { width, height, data: bytes } = contactSheet([[plain(2, 3)], [plain(5, 1)]]);
    expect([width, height]).toEqual([13, 18]);
    expect(bytes.filter((byte) => byte === 0)).toHaveLength((2 * 3 + 5) * 3);
    expect(bytes[0]).toBe(255);
  });
});

describe('encodeImage', () => {
  it('names sharp where it is missing', () =>
    expectError(
      () => createImageEncoder(() => Promise.reject(new Error('none')))(pixels),
      'missing-package',
      'encoding pictures',
      'npm install sharp',
    ));

  it('writes PNG that another reader decodes to the same pixels', async () => {
    const { data: decoded, info } = await sharp(await encodeImage(pixels)).raw().toBuffer({ resolveWithObject: true }); // prettier-ignore
    expect([info.format, info.width, info.height, info.channels]).toEqual(['raw', 60, 48, 3]);
    expect(Buffer.compare(decoded, Buffer.from(pixels.data))).toBe(0);
  });
});
