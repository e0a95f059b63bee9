import { expect, test } from 'vitest';
import { kernels } from '../../../src/graph/kernels/index.js';
import { keepMaskKernel } from '../../../src/layers/drop-values.js';
import { convolutionCases, picturesCases } from './cases/convolutions.js';
import { elementwiseCases } from './cases/elementwise.js';
import { gradientCases } from './cases/gradients.js';
import { productCases } from './cases/products.js';
import { reductionCases } from './cases/reductions.js';
import { shapeCases } from './cases/shapes.js';

const cases = [elementwiseCases, reductionCases, shapeCases, productCases, convolutionCases, picturesCases, gradientCases].flat();

/** Their numbers are drawn outside of the graph: random.test.ts compares engines. */
const drawn = [keepMaskKernel];

test('every kernel that can be recorded is compared with tfjs, and no other one', () => {
  const tested = new Set([...cases.flatMap((one) => one.kernels), ...drawn]);
  expect([...tested].sort()).toEqual(Object.keys(kernels).sort());
});
