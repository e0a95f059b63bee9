import type { WeightTable } from '../../weights/fill-model.js';

/** A graph brings its weights along: whatever tensors lie beside it are another copy of the network. */
export const graphWeights: Readonly<Record<'onnx', WeightTable<unknown>>> = {
  onnx: { detect: () => true, rows: () => [], ignore: [/^/] },
};
