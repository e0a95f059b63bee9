/** A checkpoint that lies in files, as the Hub lays them out, wherever the files are. Shared by the sources that hold such files. */
import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import type { Checkpoint } from '../sources/source.js';
import type { ByteFile } from './byte-file.js';
import { readJsonObject } from './read-json.js';
import { openTensorFiles } from './tensor-files.js';

/** A set of files by relative path with `/`. */
export interface FileSet {
  /** For messages and the model card. */
  readonly origin: string;
  /** Identity of the content. */
  readonly revision: string;
  readonly license?: string | undefined;
  /** Names of the files at the top. */
  readonly names: readonly string[];
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
 * @throws TransferKitError `too-large` beyond {@link maxCompanionBytes}, and what `open` throws.
 */
export async function readCompanion(files: Pick<FileSet, 'open'>, path: string): Promise<Uint8Array | undefined> {
  if (!isInnerPath(path)) return undefined;
  const file = await files.open(path);
  if (file === undefined) return undefined;
  if (file.size > maxCompanionBytes) {
    throw new TransferKitError(
      'too-large',
      `"${file.origin}" has ${file.size} bytes; a companion file may have at most ${maxCompanionBytes}.`,
      {
        details: { file: file.origin, size: file.size, limit: maxCompanionBytes },
      },
    );
  }
  return file.read(0, file.size);
}

/**
 * Opens config and weights: `config.json` (empty where there is none) and `model.safetensors`, or the shards that
 * `model.safetensors.index.json` lists, or `adapter_model.safetensors`, or the only other `*.safetensors`.
 * @throws TransferKitError `not-found` when there are no such weights, `bad-config`, `corrupt-file`, and what `open` throws.
 */
export async function openCheckpointFiles(files: FileSet): Promise<Checkpoint> {
  const tensors = await openTensorFiles(files);
  return makeCheckpoint(files, await readConfig(files), {
    tensors: tensors.infos,
    tensor: (name) => tensors.read(name),
    file: (path) => readCompanion(files, path),
  });
}

async function readConfig(files: FileSet): Promise<JsonObject> {
  const file = files.names.includes('config.json') ? await files.open('config.json') : undefined;
  return file === undefined ? {} : readJsonObject(file, 'bad-config');
}

/** A checkpoint from its parts, whose reads are refused once it is closed. */
export function makeCheckpoint(
  identity: { readonly origin: string; readonly revision: string; readonly license?: string | undefined },
  config: JsonObject,
  parts: Pick<Checkpoint, 'tensors' | 'tensor' | 'file'>,
): Checkpoint {
  const { origin, revision, license } = identity;
  let closed = false;
  const whileOpen =
    <Result>(read: (name: string) => Promise<Result>) =>
    async (name: string): Promise<Result> => {
      if (closed)
        throw new TransferKitError(
          'disposed',
          `"${name}" was asked of "${origin}" after close(). Fix: read it before, or open the source again.`,
        );
      return read(name);
    };
  const close = (): Promise<void> => {
    closed = true;
    return Promise.resolve();
  };
  const reads = { tensors: parts.tensors, tensor: whileOpen(parts.tensor), file: whileOpen(parts.file), close };
  return { origin, revision, config, ...(license === undefined ? {} : { license }), ...reads };
}

/** The `license:` line of a model card's front matter. */
export function licenseOfCard(card: Uint8Array | undefined): string | undefined {
  const text = new TextDecoder().decode(card?.subarray(0, 65536));
  const frontMatter = /^---\r?\n([\s\S]*?)\n---/.exec(text)?.[1] ?? '';
  return /^license:[ \t]*["']?([\w.-]+)/m.exec(frontMatter)?.[1];
}
