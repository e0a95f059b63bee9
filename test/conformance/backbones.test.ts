import { test } from 'vitest';
import { testBackbone } from 'transferkit/testing';
import { backbones } from '../../src/backbones/index.js';
import { runtime } from '../../src/runtimes/node.js';

const onnxRuntime = await runtime.loadOnnxRuntime!();

for (const { load } of backbones) {
  const family = await load();
  // A family with files of its own runs them on ONNX Runtime.
  if (family.attach !== undefined && 'missing' in onnxRuntime) test.skip(`${family.name}: ${onnxRuntime.missing}`, () => undefined);
  else testBackbone(family, { test });
}
