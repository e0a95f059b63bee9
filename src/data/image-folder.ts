import { runtime as hereRuntime } from '#runtime';
import { TransferKitError } from '../errors.js';
import type { FolderEntry, ImageLimits, Runtime } from '../runtimes/runtime.js';
import { checkOptions } from './check-options.js';
import { createDataset } from './create-dataset.js';
import type { DataItem, Dataset, ImageInput, OnBadItem, SkippedItem } from './dataset.js';

/** Settings of `imageFolder`. */
export interface ImageFolderOptions {
  /** What to do with a photo that cannot be read, or a class folder without photos. Default `error`. */
  readonly onBadItem?: OnBadItem;
  /** Caps for photos that are larger than the defaults allow. */
  readonly limits?: Partial<ImageLimits>;
  /** File name endings that count as photos, without the dot. */
  readonly extensions?: readonly string[];
  /** Where to read. Default: the place this code runs in. */
  readonly runtime?: Runtime;
}

/** Endings of the formats that `decodeImage` reads. */
const imageExtensions = ['jpg', 'jpeg', 'jpe', 'jfif', 'png', 'webp', 'gif', 'avif', 'tif', 'tiff'];

/** Folder names that mean a part of the data, not a class. */
const splitNames = new Set(['train', 'training', 'val', 'valid', 'validation', 'dev', 'test', 'testing', 'eval']);

/** Folders below a class folder are read too, down to here; a link that leads back up ends here as well. */
const deepest = 8;

/** Hidden files and what archive programs leave behind. */
const isHidden = (name: string): boolean => name.startsWith('.') || name === '__MACOSX';

interface Walk {
  readonly runtime: Runtime;
  readonly root: string;
  readonly extensions: ReadonlySet<string>;
}

const extensionOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1).toLowerCase();
const isImage = (entry: FolderEntry, walk: Walk): boolean =>
  !entry.isFolder && !isHidden(entry.name) && walk.extensions.has(extensionOf(entry.name));

/** Image files below a folder, as path parts relative to the root, sorted by name. */
async function imagesBelow(walk: Walk, parts: readonly string[]): Promise<string[][]> {
  const entries = (await walk.runtime.listFolder(walk.runtime.joinPath(walk.root, ...parts))) ?? [];
  const found: string[][] = [];
  for (const entry of entries) {
    if (isImage(entry, walk)) found.push([...parts, entry.name]);
    else if (entry.isFolder && !isHidden(entry.name) && parts.length < deepest)
      found.push(...(await imagesBelow(walk, [...parts, entry.name])));
  }
  return found;
}

function noFolder(root: string): TransferKitError {
  return new TransferKitError(
    'not-found',
    `there is no folder "${root}".\n  Expected: a folder with one sub-folder of photos per class.\n  Fix: check the path; relative paths start at the current folder.`,
    { details: { path: root } },
  );
}

function noClasses(root: string, entries: readonly FolderEntry[], loose: number): TransferKitError {
  const received =
    loose > 0
      ? `${loose} photos directly in it`
      : entries.length === 0
        ? 'an empty folder'
        : `${entries.length} files, none of them a photo`;
  return new TransferKitError(
    'bad-data',
    `"${root}" has no class folders.\n  Expected: one sub-folder of photos per class, as in ${root}/cat/1.jpg and ${root}/dog/1.jpg\n  Received: ${received}.`,
    { details: { path: root, photos: loose } },
  );
}

function splitFolders(root: string, names: readonly string[]): TransferKitError {
  const calls = names.map((name) => `imageFolder(${JSON.stringify(`${root}/${name}`)})`);
  return new TransferKitError(
    'bad-data',
    `the sub-folders of "${root}" are parts of a split (${names.join(', ')}), not classes.\n  Fix: open each part by itself: ${calls.join(', ')}`,
    { details: { path: root, parts: names } },
  );
}

function oneClass(root: string, label: string | undefined): TransferKitError {
  const received = label === undefined ? 'no photo in any sub-folder' : `one class only, ${JSON.stringify(label)}`;
  return new TransferKitError(
    'bad-data',
    `"${root}" holds too few classes to learn from.\n  Expected: at least two sub-folders with photos.\n  Received: ${received}.`,
    { details: { path: root, label } },
  );
}

function emptyClass(root: string, name: string, extensions: ReadonlySet<string>): TransferKitError {
  return new TransferKitError(
    'bad-data',
    `the class folder "${name}" of "${root}" holds no photo.\n  Expected: files ending in ${[...extensions].join(', ')}\n  Fix: add photos, remove the folder, or pass { onBadItem: 'skip' }.`,
    { details: { path: root, folder: name } },
  );
}

/** Names of the class folders. */
async function classFolders(walk: Walk): Promise<string[]> {
  const entries = await walk.runtime.listFolder(walk.root);
  if (entries === undefined) throw noFolder(walk.root);
  const folders = entries.filter((entry) => entry.isFolder && !isHidden(entry.name)).map((entry) => entry.name);
  if (folders.length === 0) throw noClasses(walk.root, entries, entries.filter((entry) => isImage(entry, walk)).length);
  if (folders.every((name) => splitNames.has(name.toLowerCase()))) throw splitFolders(walk.root, folders);
  return folders;
}

/** A photo by its path; with caps of its own where they were given. */
function inputOf(path: string, limits: Partial<ImageLimits> | undefined): ImageInput {
  return limits === undefined ? path : { image: path, limits };
}

/**
 * A data set from a folder of photos: each sub-folder is a class, and its name is the label. Nothing is decoded yet.
 * Hidden files and files that are not images by their name are left out. Items are sorted by path, which is also their id.
 *
 * @throws TransferKitError `not-found` when there is no such folder; `bad-data` when it is empty, has one class only, or is split
 *   into parts such as `train` and `test`; `bad-option`
 * @example
 * ```ts
 * import { imageFolder } from 'transferkit/data';
 *
 * const photos = await imageFolder('photos', { onBadItem: 'skip' }); // photos/cat/1.jpg, photos/dog/1.jpg, ...
 * const { train, test } = photos.split({ test: 0.2 });
 * ```
 */
export async function imageFolder(folder: string | URL, options: ImageFolderOptions = {}): Promise<Dataset<'image', string>> {
  checkOptions('imageFolder()', options, ['onBadItem', 'limits', 'extensions', 'runtime']);
  const { runtime = hereRuntime, extensions = imageExtensions, onBadItem = 'error', limits } = options;
  const path = String(folder);
  const walk = { runtime, root: path, extensions: new Set(extensions.map((extension) => extension.replace(/^\./, '').toLowerCase())) };
  const items: DataItem<'image', string>[] = [];
  const skipped: SkippedItem[] = [];
  for (const label of await classFolders(walk)) {
    const found = await imagesBelow(walk, [label]);
    if (found.length === 0 && onBadItem === 'error') throw emptyClass(path, label, walk.extensions);
    if (found.length === 0) skipped.push({ id: label, reason: 'a class folder without photos' });
    for (const parts of found) items.push({ id: parts.join('/'), input: inputOf(runtime.joinPath(path, ...parts), limits), target: label });
  }
  const dataset = createDataset({ modality: 'image', items, origin: path, skipped, onBadItem });
  if (dataset.labels.length < 2) throw oneClass(path, dataset.labels[0]);
  return dataset;
}
