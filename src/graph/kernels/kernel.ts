import type { GraphBuilder } from '../graph-builder.js';
import type { KernelCall, Traced } from '../traced.js';

/** How a tfjs kernel is written as nodes of a graph: tells the shape of what it gives, and appends what computes it. */
export type GraphKernel = (call: KernelCall, graph: GraphBuilder) => Traced | Traced[];

/** Kernels by tfjs's names. */
export type KernelTable = Readonly<Record<string, GraphKernel>>;

/** An input that the kernel cannot do without. */
export function input(call: KernelCall, name: string): Traced {
  const traced = call.inputs[name];
  if (traced === undefined) throw new Error(`no input "${name}"`);
  return traced;
}

/** An attribute of the kernel, of the type that tfjs gives it. */
export const attribute = <T>(call: KernelCall, name: string): T => call.attributes[name] as T;
