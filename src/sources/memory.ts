import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import { makeCheckpoint } from '../weights/checkpoint-files.js';
import { noSuchTensor } from '../weights/tensor-files.js';
import { elementCount, type TensorInfo, type TensorValue } from '../weights/tensor-value.js';
import { defineSource, type Checkpoint, type Source, type SourceContext } from './source.js';

/** A checkpoint that is already in memory. */
export interface MemoryContent {
  readonly tensors: ReadonlyMap<string, TensorValue> | Readonly<Record<string, TensorValue>>;
  readonly config?: JsonObject;
  /** Companion files by path: text or bytes. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** For messages. Default `memory`. */
  readonly origin?: string;
  readonly license?: string;
}

/**
 * A source over tensors in memory: weights that were made or fetched by other means.
 * @throws TransferKitError `bad-input` on opening when a tensor's values do not fit its shape.
 * @example
 * ```ts
 * import { memory } from 'transferkit/sources/memory';
 *
 * const source = memory({
 *   config: { model_type: 'bert' },
 *   tensors: { 'embeddings.word_embeddings.weight': { shape: [2, 3], values: new Float32Array(6) } },
 * });
 * ```
 */
export const memory = (content: MemoryContent): Source =>
  defineSource({ apiVersion: 1, name: 'memory', open: (context) => openMemory(content, context) });

async function openMemory(content: MemoryContent, { runtime }: SourceContext): Promise<Checkpoint> {
  const { config = {}, origin = 'memory', license } = content;
  const tensors = new Map<string, TensorValue>(
    content.tensors instanceof Map ? (content.tensors as ReadonlyMap<string, TensorValue>) : Object.entries(content.tensors),
  );
  const files = new Map(Object.entries(content.files ?? {}).map(([path, file]) => [path, toBytes(file)]));
  for (const [name, value] of tensors) checkTensor(origin, name, value);
  const hashes = await Promise.all([...tensors.values()].map(({ values }) => runtime.sha256(bytesOf(values))));
  const description = JSON.stringify([config, [...tensors].map(([name, { shape }]) => [name, shape]), hashes]);
  return makeCheckpoint({ origin, license, revision: await runtime.sha256(toBytes(description)) }, config, {
    names: [...files.keys()],
    tensors: new Map([...tensors].map(([name, value]) => [name, infoOf(value)])),
    // A copy: some tfjs backends keep the array that they are given, and the caller may go on writing to his.
    tensor: (name) => {
      const value = tensors.get(name);
      if (value === undefined) return Promise.reject(noSuchTensor(origin, name, tensors.keys()));
      return Promise.resolve({ shape: value.shape, values: value.values.slice() });
    },
    file: (path) => Promise.resolve(files.get(path)),
  });
}

const toBytes = (file: string | Uint8Array): Uint8Array => (typeof file === 'string' ? new TextEncoder().encode(file) : file);

const bytesOf = (values: TensorValue['values']): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const infoOf = ({ shape, values }: TensorValue): TensorInfo => ({ dtype: values instanceof Float32Array ? 'F32' : 'I32', shape });

function checkTensor(origin: string, name: string, { shape, values }: TensorValue): void {
  if (elementCount(shape) === values.length) return;
  throw new TransferKitError(
    'bad-input',
    `tensor "${name}" of "${origin}" does not fit its shape.\n  expected: ${elementCount(shape)} values for [${shape.join(',')}]\n  received: ${values.length} values`,
    { details: { tensor: name, shape, received: values.length } },
  );
}
