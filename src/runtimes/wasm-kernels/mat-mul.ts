import type { TensorInfo } from '@tensorflow/tfjs-core';
import { describeProduct, multiplyFast, straighten, type Product } from './multiply.js';
import { planProduct } from './plan-product.js';
import { withScratch, type Kernel, type KernelCall, type KernelFactory, type Scratch } from './wasm-backend.js';

/** The activations that tfjs fuses, and the kernel that computes each. */
const ACTIVATIONS: Readonly<Record<string, string | undefined>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  prelu: 'Prelu',
  leakyrelu: 'LeakyRelu',
};

/**
 * XNNPACK's packed weights are kept by tfjs under the id of the right operand, without its shape: the same data seen under another
 * shape would run with the packing of the first. This remembers the first shape.
 */
const packedAs = new WeakMap<object, string>();

function mayReusePacking({ b, k, n }: Product): boolean {
  const shape = `${k} ${n}`;
  const known = packedAs.get(b.dataId);
  if (known === undefined) packedAs.set(b.dataId, shape);
  return known === undefined || known === shape;
}

const isSingle = ({ batchB, batch, batchA, transposeA }: Product): boolean =>
  batchB === 1 && (batch === 1 || (batchA === batch && !transposeA));
const hasNumbers = ({ batch, m, n, k }: Product): boolean => batch * m * n * k > 0;

const reshaped = (x: TensorInfo, shape: readonly number[]): TensorInfo => ({ dataId: x.dataId, dtype: x.dtype, shape: [...shape] });

/** Runs tfjs's kernel on the operands as given. It understands a batch only where the sizes are equal or 1. */
const asThreeAxes = ({ a, b, batchA, batchB }: Product): Record<'a' | 'b', TensorInfo> => ({
  a: reshaped(a, [batchA, ...a.shape.slice(-2)]),
  b: reshaped(b, [batchB, ...b.shape.slice(-2)]),
});

/** One product, no batch: tfjs's kernel is at its best once the operands are straight, and keeps the packing of weights that stay. */
function runSingle(scratch: Scratch, product: Product, stock: Kernel, call: KernelCall): TensorInfo {
  const { batch, m, k, n, transposeB } = product;
  const [a, b] = straighten(scratch, product);
  const right = transposeB || mayReusePacking(product) ? b : scratch.view(b, [1, k, n]);
  const inputs = { ...call.inputs, a: reshaped(a, [1, batch * m, k]), b: reshaped(right, [1, k, n]) };
  return scratch.own(stock({ ...call, inputs, attrs: { ...call.attrs, transposeA: false, transposeB: false } }));
}

/** The product without bias and activation. */
function runLinear(scratch: Scratch, product: Product, stock: Kernel): TensorInfo {
  if (!hasNumbers(product)) return multiplyFast(scratch, product);
  const { transposeA, transposeB, batch, batchA, batchB } = product;
  const attrs = { transposeA, transposeB };
  const call = { inputs: asThreeAxes(product), attrs, backend: scratch.backend };
  if (isSingle(product) && !transposeA && !transposeB) return runSingle(scratch, product, stock, call);
  const simpleBatch = (batchA === 1 || batchA === batch) && (batchB === 1 || batchB === batch);
  return simpleBatch && planProduct(product) === 'plain' ? scratch.own(stock(call)) : multiplyFast(scratch, product);
}

/** `BatchMatMul`: [.., m, k] times [.., k, n] with either side transposed and batch axes broadcast. */
export const batchMatMul: KernelFactory =
  (stock) =>
  ({ inputs, attrs, backend }) =>
    withScratch(backend, (scratch) => {
      const product = describeProduct(inputs['a']!, inputs['b']!, attrs['transposeA'] === true, attrs['transposeB'] === true);
      return scratch.release(runLinear(scratch, product, stock), [...product.outer, product.m, product.n]);
    });

/** Whether XNNPACK itself can add this bias: one number per column, and tfjs looks at the rank of the stored data. */
function isFusable(bias: TensorInfo | undefined, { n }: Product, backend: KernelCall['backend']): boolean {
  return bias === undefined || (bias.shape.length === 1 && bias.shape[0] === n && backend.dataIdMap.get(bias.dataId).shape.length === 1);
}

/** Bias and activation as kernels of their own. tfjs's loop for batches adds the bias once per 48 terms of the sum, and not by column. */
function finish(scratch: Scratch, product: TensorInfo, { inputs, attrs }: KernelCall): TensorInfo {
  const biased = inputs['bias'] === undefined ? product : scratch.run('Add', { a: product, b: inputs['bias'] });
  const kernel = ACTIVATIONS[String(attrs['activation'])];
  if (kernel === undefined) return biased;
  return scratch.run(kernel, { x: biased, alpha: inputs['preluActivationWeights'] }, { alpha: attrs['leakyreluAlpha'] });
}

const isKnownActivation = (name: unknown): boolean => name === 'linear' || ACTIVATIONS[String(name)] !== undefined;

/** `_FusedMatMul`: the same with bias and activation, operands of three axes. */
export const fusedMatMul: KernelFactory = (stock) => (call) =>
  withScratch(call.backend, (scratch) => {
    const { inputs, attrs, backend } = call;
    if (!isKnownActivation(attrs['activation'])) return stock(call); // tfjs's own error
    const product = describeProduct(inputs['a']!, inputs['b']!, attrs['transposeA'] === true, attrs['transposeB'] === true);
    const shape = [...product.outer, product.m, product.n];
    if (product.batch === 1 && hasNumbers(product) && isFusable(inputs['bias'], product, backend)) {
      return scratch.release(runSingle(scratch, product, stock, call), shape);
    }
    const linear: Kernel = (plain) => stock({ ...plain, attrs: { ...plain.attrs, activation: 'linear' } });
    const out = reshaped(runLinear(scratch, product, linear), shape);
    return scratch.release(finish(scratch, out, call), shape);
  });
