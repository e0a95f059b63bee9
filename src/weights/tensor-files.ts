import * as v from 'valibot';
import { TransferKitError } from '../errors.js';
import { nearestName } from '../common/nearest-name.js';
import type { ByteFile } from './byte-file.js';
import type { FileSet } from './checkpoint-files.js';
import { readJsonObject } from './read-json.js';
import { readSafetensorsHeader, readTensor, type StoredTensor } from './safetensors.js';
import type { TensorInfo, TensorValue } from './tensor-value.js';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';
/** An adapter in PEFT's format; other tensors may lie beside it, as its head. */
const adapter = 'adapter_model.safetensors';

/** Tensors of one or several files by name. */
export interface TensorFiles {
  readonly infos: ReadonlyMap<string, TensorInfo>;
  /** @throws TransferKitError `not-found` for an unknown name, `corrupt-file` */
  read(name: string): Promise<TensorValue>;
}

interface Located extends StoredTensor {
  readonly file: ByteFile;
}

/**
 * Finds and opens the safetensors files of a set, and checks their headers.
 * @throws TransferKitError `not-found`, `corrupt-file`, `unsupported`, and what `open` throws.
 */
export async function openTensorFiles(files: FileSet): Promise<TensorFiles> {
  const only = findSingle(files);
  const located = only === undefined ? await openShards(files) : await openOne(await mustOpen(files, only));
  const read = async (name: string): Promise<TensorValue> => {
    const tensor = located.get(name);
    if (tensor === undefined) throw noSuchTensor(files.origin, name, located.keys());
    return readTensor(tensor.file, tensor);
  };
  const infos = new Map([...located].map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
  return { infos, read };
}

/** The one file that holds all; undefined when there is an index of several. */
function findSingle(files: FileSet): string | undefined {
  if (files.names.includes(single)) return single;
  if (files.names.includes(index)) return undefined;
  if (files.names.includes(adapter)) return adapter;
  const others = files.names.filter((name) => name.endsWith('.safetensors'));
  if (others.length === 1) return others[0];
  const shown = (others.length > 0 ? others : files.names).slice(0, 12).join(', ') || 'nothing';
  throw new TransferKitError(
    'not-found',
    `"${files.origin}" has no weights that can be read.\n  expected: ${single}, ${index}, or one other *.safetensors\n  received: ${shown}\n` +
      '  Fix: open the file that is meant by its own path, or choose a checkpoint that is published as safetensors.',
    { details: { origin: files.origin, names: files.names.slice(0, 100) } },
  );
}

async function mustOpen(files: FileSet, path: string): Promise<ByteFile> {
  const file = await files.open(path);
  if (file !== undefined) return file;
  throw new TransferKitError('not-found', `"${files.origin}" has no file "${path}", which its index names. Fix: fetch the missing file.`, {
    details: { origin: files.origin, file: path },
  });
}

async function openOne(file: ByteFile): Promise<ReadonlyMap<string, Located>> {
  const { tensors } = await readSafetensorsHeader(file);
  return new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, file }]));
}

async function openShards(files: FileSet): Promise<ReadonlyMap<string, Located>> {
  const shardOf = await readIndex(await mustOpen(files, index), files);
  const located = new Map<string, Located>();
  for (const shard of new Set(shardOf.values())) {
    for (const [name, tensor] of await openOne(await mustOpen(files, shard))) {
      if (shardOf.get(name) !== shard) throw badIndex(files, `tensor "${name}" in ${shardOf.get(name) ?? 'no file'}`, `it in ${shard}`);
      located.set(name, tensor);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!located.has(name)) throw badIndex(files, `tensor "${name}" in ${shard}`, 'it in no file');
  }
  return located;
}

const indexSchema = v.object({ weight_map: v.record(v.string(), v.string()) });

async function readIndex(file: ByteFile, files: FileSet): Promise<ReadonlyMap<string, string>> {
  const parsed = v.safeParse(indexSchema, await readJsonObject(file));
  if (!parsed.success) throw badIndex(files, '"weight_map" with a file name for each tensor', parsed.issues[0].message);
  const shardOf = new Map(Object.entries(parsed.output.weight_map));
  const stray = [...shardOf.values()].find((shard) => !files.names.includes(shard) || !shard.endsWith('.safetensors'));
  if (stray !== undefined) throw badIndex(files, '*.safetensors files beside it', `"${stray.slice(0, 200)}", which is not there`);
  return shardOf;
}

const badIndex = (files: FileSet, expected: string, received: string): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `the index "${index}" of "${files.origin}" does not fit its files.\n  expected: ${expected}\n  received: ${received}\n  Fix: fetch all files of one revision again.`,
    { details: { origin: files.origin, file: index, expected, received } },
  );

/** A `not-found` error for a tensor; the nearest name is only looked for among few, as names are the file's own. */
export function noSuchTensor(origin: string, name: string, names: Iterable<string>): TransferKitError {
  const nearest = nearestName(name, [...names].filter((known) => known.length < 200).slice(0, 2000));
  const guess = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new TransferKitError('not-found', `"${origin}" has no tensor "${name}".${guess}`, { details: { origin, tensor: name, nearest } });
}
