/** A checkpoint that lies in files, as the Hub lays them out, wherever the files are. Shared by the sources that hold such files. */
import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import type { Checkpoint, FileLimits } from '../sources/source.js';
import type { ByteFile } from './byte-file.js';
import { readJsonObject } from './read-json.js';
import { noSuchTensor, openTensorFiles, type TensorFiles } from './tensor-files.js';

/** A set of files by relative path with `/`. */
export interface FileSet {
  /** For messages and the model card. */
  readonly origin: string;
  /** Identity of the content. */
  readonly revision: string;
  readonly license?: string | undefined;
  /** Names of the files at the top. */
  readonly names: readonly string[];
  /** Paths of files in folders, as far as they are listed. */
  readonly nested?: readonly string[];
  /** Opens a file; undefined when there is none. */
  open(path: string): Promise<ByteFile | undefined>;
}

/** Largest companion file that is read into memory: 256 MB. The largest published tokenizers have some 40. */
export const maxCompanionBytes = 256_000_000;

/** Whether a path that a file or a caller names stays inside its folder. */
export const isInnerPath = (path: string): boolean =>
  path !== '' && !/[\\\0:]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/**
 * A whole companion file.
 * @throws TransferKitError `too-large` beyond `maxBytes`, and what `open` throws.
 */
export async function readCompanion(
  files: Pick<FileSet, 'open'>,
  path: string,
  { maxBytes = maxCompanionBytes }: FileLimits = {},
): Promise<Uint8Array | undefined> {
  if (!isInnerPath(path)) return undefined;
  const file = await files.open(path);
  if (file === undefined) return undefined;
  if (file.size > maxBytes) {
    throw new TransferKitError('too-large', `"${file.origin}" has ${file.size} bytes; a companion file may have at most ${maxBytes}.`, {
      details: { file: file.origin, size: file.size, limit: maxBytes },
    });
  }
  return file.read(0, file.size);
}

/**
 * Opens config and weights: `config.json` (empty where there is none) and `model.safetensors`, or the shards that
 * `model.safetensors.index.json` lists, or `adapter_model.safetensors`, or the only other `*.safetensors`.
 *
 * A set without any of them has no tensors where it holds a network as an `.onnx` file.
 * @throws TransferKitError `not-found` when there are no such weights, `bad-config`, `corrupt-file`, and what `open` throws.
 */
export async function openCheckpointFiles(files: FileSet): Promise<Checkpoint> {
  const names = [...files.names, ...(files.nested ?? [])];
  const tensors = isGraphAlone(names) ? noTensors(files.origin) : await openTensorFiles(files);
  return makeCheckpoint(files, await readConfig(files), {
    names,
    tensors: tensors.infos,
    tensor: (name) => tensors.read(name),
    file: (path, limits) => readCompanion(files, path, limits),
  });
}

/** Whether the weights lie in a graph and nowhere else. */
const isGraphAlone = (names: readonly string[]): boolean =>
  names.some((name) => name.endsWith('.onnx')) && !names.some((name) => /^[^/]*\.safetensors(\.index\.json)?$/.test(name));

const noTensors = (origin: string): TensorFiles => ({
  infos: new Map(),
  read: (name) => Promise.reject(noSuchTensor(origin, name, [])),
});

async function readConfig(files: FileSet): Promise<JsonObject> {
  const file = files.names.includes('config.json') ? await files.open('config.json') : undefined;
  return file === undefined ? {} : readJsonObject(file, 'bad-config');
}

/** A checkpoint from its parts, whose reads are refused once it is closed. */
export function makeCheckpoint(
  identity: { readonly origin: string; readonly revision: string; readonly license?: string | undefined },
  config: JsonObject,
  parts: Pick<Checkpoint, 'tensors' | 'tensor' | 'file' | 'names'>,
): Checkpoint {
  const { origin, revision, license } = identity;
  let closed = false;
  const whileOpen =
    <Rest extends unknown[], Result>(read: (name: string, ...rest: Rest) => Promise<Result>) =>
    async (name: string, ...rest: Rest): Promise<Result> => {
      if (closed)
        throw new TransferKitError(
          'disposed',
          `"${name}" was asked of "${origin}" after close(). Fix: read it before, or open the source again.`,
        );
      return read(name, ...rest);
    };
  const close = (): Promise<void> => {
    closed = true;
    return Promise.resolve();
  };
  const { names } = parts;
  const reads = { tensors: parts.tensors, tensor: whileOpen(parts.tensor), file: whileOpen(parts.file), close };
  return { origin, revision, config, ...(license === undefined ? {} : { license }), ...(names === undefined ? {} : { names }), ...reads };
}

/** The `license:` line of a model card's front matter. */
export function licenseOfCard(card: Uint8Array | undefined): string | undefined {
  const text = new TextDecoder().decode(card?.subarray(0, 65536));
  const frontMatter = /^---\r?\n([\s\S]*?)\n---/.exec(text)?.[1] ?? '';
  return /^license:[ \t]*["']?([\w.-]+)/m.exec(frontMatter)?.[1];
}
