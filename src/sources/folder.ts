import { TransferKitError } from '../errors.js';
import type { FolderEntry, Runtime } from '../runtimes/runtime.js';
import { isInnerPath, licenseOfCard, openCheckpointFiles, readCompanion, type FileSet } from '../weights/checkpoint-files.js';
import { contentSample } from '../weights/content-sample.js';
import { defineSource, type Checkpoint, type Source, type SourceContext } from './source.js';

/**
 * A local folder laid out as on the Hub: `model.safetensors` (or shards and their index, or one other `*.safetensors`), and where
 * there are such, `config.json`, tokenizer and processor files; or, as published for transformers.js, `onnx/*.onnx` in their place. Or one
 * `.safetensors` or `.onnx` file by its own path.
 * @throws TransferKitError on opening: `not-found`, `corrupt-file`, `bad-config`.
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { folder } from 'transferkit/sources/folder';
 *
 * const base = await loadPretrained(folder('models/all-MiniLM-L6-v2'));
 * ```
 */
export const folder = (path: string): Source =>
  defineSource({ apiVersion: 1, name: 'folder', open: (context) => openFolder(path, context) });

async function openFolder(given: string, { runtime }: SourceContext): Promise<Checkpoint> {
  const path = runtime.joinPath(given);
  const entries = await runtime.listFolder(path);
  const { root, names, nested } = entries === undefined ? await aroundFile(path, runtime) : await insideFolder(path, entries, runtime);
  const open = (name: string) => (isInnerPath(name) ? runtime.openFile(runtime.joinPath(root, name)) : Promise.resolve(undefined));
  const license = licenseOfCard(await readCompanion({ open }, 'README.md'));
  const revision = await contentHash([...names, ...nested], open, runtime);
  const files: FileSet = { origin: given, revision, license, names, nested, open };
  return openCheckpointFiles(files);
}

const namesOf = (entries: readonly FolderEntry[]): string[] => entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name);

/** What a folder holds. */
interface Listing {
  readonly root: string;
  readonly names: readonly string[];
  /** Graphs in their folder. */
  readonly nested: readonly string[];
}

/** Where graphs lie in a published repository. */
const graphFolder = 'onnx';

async function insideFolder(root: string, entries: readonly FolderEntry[], runtime: Runtime): Promise<Listing> {
  const hasGraphs = entries.some(({ name, isFolder }) => isFolder && name === graphFolder);
  const graphs = hasGraphs ? await runtime.listFolder(runtime.joinPath(root, graphFolder)) : undefined;
  return { root, names: namesOf(entries), nested: namesOf(graphs ?? []).map((name) => `${graphFolder}/${name}`) };
}

const isWeightFile = (name: string): boolean => /\.(safetensors|onnx)/.test(name);

/** The folder of a path with its last slash, and the name in it. */
function splitPath(path: string): readonly [folder: string, name: string] {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return [cut < 0 ? '.' : path.slice(0, cut + 1), path.slice(cut + 1)];
}

/**
 * A weight file given by its own path: its neighbours serve as companions, other weights beside it do not count. Those of a graph in a
 * folder `onnx` lie around that folder.
 */
async function aroundFile(path: string, runtime: Runtime): Promise<Listing> {
  const [folder, name] = splitPath(path);
  if (!/\.(safetensors|onnx)$/.test(name) || (await runtime.openFile(path)) === undefined) throw nothingThere(path);
  const [outer, inner] = splitPath(folder.replace(/[\\/]$/, ''));
  const isNested = name.endsWith('.onnx') && inner === graphFolder;
  const root = isNested ? outer : folder;
  const companions = namesOf((await runtime.listFolder(root)) ?? []).filter((other) => !isWeightFile(other));
  return isNested ? { root, names: companions, nested: [`${graphFolder}/${name}`] } : { root, names: [...companions, name], nested: [] };
}

const nothingThere = (path: string): TransferKitError =>
  new TransferKitError(
    'not-found',
    `there is no folder and no .safetensors file or .onnx file at "${path}". Fix: check the path; relative ones start at the current folder.`,
    {
      details: { path },
    },
  );

/**
 * Identity of a folder: SHA-256 over the names, sizes and contents of its config and weights; a very large file is represented
 * by its {@link contentSample}.
 */
async function contentHash(names: readonly string[], open: FileSet['open'], runtime: Runtime): Promise<string> {
  const parts: string[] = [];
  for (const name of [...names].sort()) {
    const file = /^config\.json$|\.safetensors(\.index\.json)?$|\.onnx$/.test(name) ? await open(name) : undefined;
    if (file !== undefined) parts.push(`${name} ${file.size} ${await runtime.sha256(await contentSample(file))}`);
  }
  return `sha256:${await runtime.sha256(new TextEncoder().encode(parts.join('\n')))}`;
}
