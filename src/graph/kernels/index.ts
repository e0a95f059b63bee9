import { combKernels } from './combs.js';
import { convolutionKernels } from './convolution.js';
import { elementwiseKernels } from './elementwise.js';
import type { KernelTable } from './kernel.js';
import { poolingKernels } from './pooling.js';
import { productKernels } from './products.js';
import { randomKernels } from './random.js';
import { reductionKernels } from './reductions.js';
import { resizingKernels } from './resizing.js';
import { shapeKernels } from './shapes.js';

/** Every kernel of tfjs that can be put into a graph. */
export const kernels: KernelTable = {
  ...elementwiseKernels,
  ...reductionKernels,
  ...shapeKernels,
  ...combKernels,
  ...productKernels,
  ...convolutionKernels,
  ...poolingKernels,
  ...resizingKernels,
  ...randomKernels,
};
