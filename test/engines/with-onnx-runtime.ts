import { describe } from 'vitest';
import type { LoadedOnnxRuntime } from '../../src/engines/onnx/onnx-runtime.js';
import { runtime } from '../../src/runtimes/node.js';

const found = await runtime.loadOnnxRuntime!();
if ('missing' in found) console.log(`skipped, for want of ONNX Runtime: ${found.missing}`);

/** ONNX Runtime; not to be used outside of `withOnnxRuntime`. */
export const loaded = found as LoadedOnnxRuntime;

/** Tests that need the real ONNX Runtime; skipped, with the reason printed, where it is not installed. */
export const withOnnxRuntime = describe.skipIf('missing' in found);
