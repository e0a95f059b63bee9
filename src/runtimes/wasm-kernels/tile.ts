import type { TensorInfo } from '@tensorflow/tfjs-core';
import { addressOf, sizeOf, withScratch, type KernelFactory, type Scratch } from './wasm-backend.js';

/** Repeats blocks of `inner` numbers `times` times each: [outer, inner] -> [outer, times, inner]. */
function repeatBlocks(scratch: Scratch, x: TensorInfo, outer: number, inner: number, times: number): TensorInfo {
  const { backend } = scratch;
  const out = scratch.own(backend.makeOutput([outer, times, inner], x.dtype));
  const heap = backend.wasm.HEAP32;
  const [source, target] = [addressOf(backend, x) >>> 2, addressOf(backend, out) >>> 2];
  for (let block = 0; block < outer; block++) {
    const start = target + block * times * inner;
    if (inner === 1) {
      heap.fill(heap[source + block]!, start, start + times);
      continue;
    }
    heap.copyWithin(start, source + block * inner, source + (block + 1) * inner);
    // The copied part doubles each time, so that a small block makes few calls.
    for (let done = 1; done < times; done *= 2) heap.copyWithin(start + done * inner, start, start + Math.min(done, times - done) * inner);
  }
  return out;
}

/** `Tile` for numbers of four bytes. tfjs's computes coordinates for each number, 90 ns each; the gradient of batch normalisation tiles its statistics. */
export const tile: KernelFactory = (stock) => (call) => {
  const x = call.inputs['x']!;
  const reps = call.attrs['reps'] as readonly number[];
  const shape = x.shape.map((length, axis) => length * (reps[axis] ?? 1));
  if ((x.dtype !== 'float32' && x.dtype !== 'int32') || reps.length !== x.shape.length || sizeOf(shape) === 0 || sizeOf(reps) === 1)
    return stock(call);
  return withScratch(call.backend, (scratch) => {
    let tiled = x;
    for (let axis = reps.length - 1; axis >= 0; axis--) {
      if (reps[axis] === 1) continue;
      const before = tiled;
      tiled = repeatBlocks(
        scratch,
        before,
        sizeOf(x.shape.slice(0, axis)),
        sizeOf([x.shape[axis]!, ...shape.slice(axis + 1)]),
        reps[axis]!,
      );
      scratch.drop(before);
    }
    return scratch.release(tiled, shape);
  });
};
