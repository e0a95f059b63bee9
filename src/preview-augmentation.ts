import type { Base } from './base.js';
import { checkDataset } from './data/check-dataset.js';
import { checkOptions } from './data/check-options.js';
import type { DataItem, Dataset } from './data/dataset.js';
import { TransferKitError } from './errors.js';
import { checkAugmentation } from './inputs/augment/check-augmentation.js';
import { contactSheet } from './inputs/augment/contact-sheet.js';
import type { InputAugmentation } from './inputs/augment/recipe.js';
import { viewRandom } from './inputs/augment/view-random.js';
import type { InputProcessor, Modality } from './inputs/input.js';
import type { RgbImage, Runtime } from './runtimes/runtime.js';

/** Settings of `previewAugmentation`. */
export interface PreviewOptions<M extends Modality = Modality> {
  /** Whose input recipe prepares the examples. */
  readonly base: Base<M>;
  /** How many examples, from the first on, up to 50. Default 6. */
  readonly rows?: number;
  /** How many views of each, beside the example as it is, up to 50. Default 6. */
  readonly columns?: number;
  /** The seed of the training that is looked into. Default 42. */
  readonly seed?: number;
  /** The file to write: a PNG of photos, Markdown of texts. Default: none is written. */
  readonly path?: string;
}

/** Views of photos as a picture. */
export interface PhotoPreview {
  readonly kind: 'image';
  /** Names of the examples, from top to bottom. */
  readonly ids: readonly string[];
  /** One row an example: as it is, then its views. */
  readonly sheet: RgbImage;
  /** The sheet, encoded. */
  readonly png: Uint8Array;
}

/** Views of texts as a table. */
export interface TextPreview {
  readonly kind: 'text';
  /** Names of the examples, from top to bottom. */
  readonly ids: readonly string[];
  /** One row an example: as it is, then its views, with special tokens. */
  readonly texts: readonly (readonly string[])[];
  /** The same as a table. */
  readonly markdown: string;
}

const defaultSeed = 42;
const largestCount = 50;

function checkCount(name: 'rows' | 'columns', count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= largestCount) return;
  throw new TransferKitError(
    'bad-option',
    `${name} of previewAugmentation must be a whole number from 1 to ${largestCount}.\n  Received: ${String(count)}`,
  );
}

function cannot(what: string, fix: string): TransferKitError {
  return new TransferKitError('unsupported', `${what}.\n  Fix: ${fix}`);
}

/** What the network sees of one example: a row of pictures, or of texts. */
interface ShownRow {
  readonly id: string;
  readonly cells: readonly (RgbImage | string)[];
}

/** Shows examples. */
interface Viewer {
  readonly processor: InputProcessor;
  readonly augmentation: InputAugmentation;
  readonly columns: number;
  readonly seed: number;
}

async function showItem({ id, input }: DataItem, { processor, augmentation, columns, seed }: Viewer): Promise<ShownRow> {
  if (processor.show === undefined)
    throw cannot('the input processor of this base cannot show what it encodes', 'give it a function show(encoded).');
  const cells = [processor.show(await processor.encode(input))];
  for (let view = 1; view <= columns; view++)
    cells.push(processor.show(await processor.encode(input, { augmentation, random: viewRandom(seed, id, view) })));
  return { id, cells };
}

/** Rows of the first examples that can be read; the others are passed over where the data set says so. */
async function showItems(data: Dataset, count: number, viewer: Viewer): Promise<ShownRow[]> {
  const rows: ShownRow[] = [];
  for (const item of data.items) {
    if (rows.length === count) break;
    try {
      rows.push(await showItem(item, viewer));
    } catch (error) {
      const passedOver = TransferKitError.isInstance(error) && ['bad-input', 'corrupt-file', 'not-found', 'too-large'].includes(error.code);
      if (data.onBadItem === 'error' || !passedOver) throw error;
    }
  }
  if (rows.length > 0) return rows;
  throw new TransferKitError('bad-data', `there is nothing to preview: ${data.origin} has no example that can be read.`);
}

/** Text as the cell of a Markdown table. */
const cellOf = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\|`*_[\]<>]/g, '\\$&');

function markdownTable(rows: readonly { readonly id: string; readonly texts: readonly string[] }[]): string {
  const views = rows[0]!.texts.slice(1).map((_, index) => `view ${index + 1}`);
  const lines = [['example', 'as it is', ...views], views.concat('', '').map(() => '---')];
  lines.push(...rows.map(({ id, texts }) => [id, ...texts].map(cellOf)));
  return `${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}\n`;
}

const isText = (cell: RgbImage | string): cell is string => typeof cell === 'string';
const isPhoto = (cell: RgbImage | string): cell is RgbImage => typeof cell !== 'string';

async function makePreview(rows: readonly ShownRow[], runtime: Runtime): Promise<PhotoPreview | TextPreview> {
  const ids = rows.map(({ id }) => id);
  const texts = rows.map(({ id, cells }) => ({ id, texts: cells.filter(isText) }));
  if (texts[0]!.texts.length > 0) return { kind: 'text', ids, texts: texts.map((row) => row.texts), markdown: markdownTable(texts) };
  const sheet = contactSheet(rows.map(({ cells }) => cells.filter(isPhoto)));
  if (runtime.encodeImage === undefined) throw cannot('pictures cannot be encoded here', 'draw the preview in Node or in a browser.');
  return { kind: 'image', ids, sheet, png: await runtime.encodeImage(sheet) };
}

async function writePreview(path: string, preview: PhotoPreview | TextPreview, runtime: Runtime): Promise<void> {
  if (runtime.writeFile === undefined)
    throw cannot('files cannot be written here', 'leave path out, and take the png or the markdown that is returned.');
  await runtime.writeFile(path, preview.kind === 'image' ? preview.png : new TextEncoder().encode(preview.markdown));
}

/**
 * Shows what an augmentation does to your data before anything is trained on it: each of the first examples as it is, and then
 * some views of it, as the network will see them. Training with the same seed draws exactly these views.
 *
 * @returns for photos a contact sheet (pixels and PNG), for texts the views as strings and as a Markdown table
 * @throws TransferKitError `bad-option` for an augmentation of another modality or one that is wrong; `bad-data`; what an
 *   unreadable example raises; `storage` when the file cannot be written, and then there is none
 * @example
 * ```ts
 * import { imageAugmentation, loadPretrained, previewAugmentation } from 'transferkit';
 * import { imageFolder } from 'transferkit/data';
 *
 * const base = await loadPretrained<'image'>('./mobilenet-v2');
 * await previewAugmentation(await imageFolder('photos'), imageAugmentation('strong'), { base, rows: 4, path: 'views.png' });
 * ```
 */
export async function previewAugmentation(
  data: Dataset<'image'>,
  augmentation: InputAugmentation,
  options: PreviewOptions<'image'>,
): Promise<PhotoPreview>;
export async function previewAugmentation(
  data: Dataset<'text'>,
  augmentation: InputAugmentation,
  options: PreviewOptions<'text'>,
): Promise<TextPreview>;
export async function previewAugmentation<M extends Modality>(
  data: Dataset<M>,
  augmentation: InputAugmentation,
  options: PreviewOptions<M>,
): Promise<PhotoPreview | TextPreview> {
  checkOptions('previewAugmentation', options, ['base', 'rows', 'columns', 'seed', 'path']);
  const { base, rows = 6, columns = 6, seed = defaultSeed, path } = options;
  checkCount('rows', rows);
  checkCount('columns', columns);
  base.assertUsable();
  checkDataset(data, base.modality);
  const { processor, runtime } = base.parts;
  const viewer = { processor, augmentation: checkAugmentation(augmentation, base.modality), columns, seed };
  const preview = await makePreview(await showItems(data, rows, viewer), runtime);
  if (path !== undefined) await writePreview(path, preview, runtime);
  return preview;
}
