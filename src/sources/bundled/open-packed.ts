import { memoryFile } from '../../weights/byte-file.js';
import { makeCheckpoint } from '../../weights/checkpoint-files.js';
import { parseJsonObject } from '../../weights/read-json.js';
import { readSafetensorsHeader, readTensor } from '../../weights/safetensors.js';
import { noSuchTensor } from '../../weights/tensor-files.js';
import type { Checkpoint } from '../source.js';
import { withoutScales } from './dequantize.js';

/** What stands before the path of a companion file in the names of the metadata. */
export const filePrefix = 'file:';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/**
 * A whole network in one safetensors file. The metadata holds what the folder of a saved model has in files: `transferkit`, the part
 * of its `config.json` that builds the base again; `license`; and companion files, each as `file:` and its path.
 *
 * @param bytes - the file; must not change afterwards
 * @throws TransferKitError `corrupt-file`
 */
export async function openPacked(bytes: Uint8Array, identity: Pick<Checkpoint, 'origin' | 'revision'>): Promise<Checkpoint> {
  const file = memoryFile(bytes, identity.origin);
  const { tensors: stored, metadata } = await readSafetensorsHeader(file);
  const { tensors, read } = withoutScales({ tensors: stored, read: (name) => readTensor(file, stored.get(name)!) });
  const transferkit = parseJsonObject(encode(metadata.get('transferkit') ?? ''), identity.origin);
  return makeCheckpoint(
    { ...identity, license: metadata.get('license') },
    { transferkit },
    {
      tensors: new Map([...tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
      tensor: (name) => (tensors.has(name) ? read(name) : Promise.reject(noSuchTensor(identity.origin, name, tensors.keys()))),
      file: (path) => {
        const text = metadata.get(`${filePrefix}${path}`);
        return Promise.resolve(text === undefined ? undefined : encode(text));
      },
    },
  );
}
