import { TransferKitError } from '../../errors.js';
import { sizeOf, type Kernel } from './wasm-backend.js';

/** `UnsortedSegmentSum`, the gradient of an embedding: row i of x is added to row segmentIds[i]. Rows with an id outside are left out. */
export const unsortedSegmentSum: Kernel = ({ inputs, attrs, backend }) => {
  const [x, segmentIds] = [inputs['x']!, inputs['segmentIds']!];
  const segments = attrs['numSegments'] as number;
  if (segmentIds.shape.length !== 1 || (x.dtype !== 'float32' && x.dtype !== 'int32')) {
    throw new TransferKitError(
      'unsupported',
      `unsortedSegmentSum on wasm takes one axis of ids and float32 or int32, received ids of ${segmentIds.shape.length} axes and ${x.dtype}`,
    );
  }
  const width = sizeOf(x.shape.slice(1));
  const out = backend.makeOutput([segments, ...x.shape.slice(1)], x.dtype);
  const [rows, ids, sums] = [backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(segmentIds), backend.typedArrayFromHeap(out)];
  sums.fill(0);
  for (let row = 0; row < ids.length; row++) {
    const segment = ids[row]!;
    if (segment < 0 || segment >= segments) continue;
    for (let index = 0; index < width; index++) sums[segment * width + index]! += rows[row * width + index]!;
  }
  return out;
};
