import type { JsonObject } from '../../src/common/json.js';
import type { Checkpoint } from '../../src/sources/source.js';
import { elementCount } from '../../src/weights/tensor-value.js';

/** A checkpoint in memory: a configuration, tensors of ones by their shapes, companion files. */
export function checkpointOf(
  config: JsonObject,
  shapes: Readonly<Record<string, readonly number[]>> = {},
  files: Readonly<Record<string, string>> = {},
): Checkpoint {
  return {
    origin: 'a test',
    revision: '1',
    config,
    tensors: new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: 'F32' as const, shape }])),
    tensor: (name) => Promise.resolve({ shape: shapes[name]!, values: new Float32Array(elementCount(shapes[name]!)).fill(1) }),
    file: (path) => Promise.resolve(files[path] === undefined ? undefined : new TextEncoder().encode(files[path])),
    close: () => Promise.resolve(),
  };
}
