import { TransferKitError } from '../errors.js';
import type { Runtime } from '../runtimes/runtime.js';
import { isInnerPath, licenseOfCard, openCheckpointFiles, readCompanion, type FileSet } from '../weights/checkpoint-files.js';
import { contentSample } from '../weights/content-sample.js';
import { defineSource, type Checkpoint, type Source, type SourceContext } from './source.js';

/**
 * A local folder laid out as on the Hub: `model.safetensors` (or shards and their index, or one other `*.safetensors`), and where
 * there are such, `config.json`, tokenizer and processor files. Or one `.safetensors` file by its own path.
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
  const { root, names } = entries === undefined ? await aroundFile(path, runtime) : { root: path, names: namesOf(entries) };
  const open = (name: string) => (isInnerPath(name) ? runtime.openFile(runtime.joinPath(root, name)) : Promise.resolve(undefined));
  const license = licenseOfCard(await readCompanion({ open }, 'README.md'));
  const files: FileSet = { origin: given, revision: await contentHash(names, open, runtime), license, names, open };
  return openCheckpointFiles(files);
}

const namesOf = (entries: readonly { readonly name: string; readonly isFolder: boolean }[]): string[] =>
  entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name);

/** A weight file given by its own path: its neighbours serve as companions, other weights beside it do not count. */
async function aroundFile(path: string, runtime: Runtime): Promise<{ root: string; names: string[] }> {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  const name = path.slice(cut + 1);
  const root = cut < 0 ? '.' : path.slice(0, cut + 1);
  if (!name.endsWith('.safetensors') || (await runtime.openFile(path)) === undefined) throw nothingThere(path);
  const neighbours = namesOf((await runtime.listFolder(root)) ?? []);
  return { root, names: [...neighbours.filter((other) => !other.includes('.safetensors')), name] };
}

const nothingThere = (path: string): TransferKitError =>
  new TransferKitError(
    'not-found',
    `there is no folder and no .safetensors file at "${path}". Fix: check the path; relative ones start at the current folder.`,
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
    const file = /^config\.json$|\.safetensors(\.index\.json)?$/.test(name) ? await open(name) : undefined;
    if (file !== undefined) parts.push(`${name} ${file.size} ${await runtime.sha256(await contentSample(file))}`);
  }
  return `sha256:${await runtime.sha256(new TextEncoder().encode(parts.join('\n')))}`;
}
