import type { GraphBuilder } from '../graph-builder.js';
import type { Traced, TracedType } from '../traced.js';
import { layoutOf } from './layouts.js';

const convertedNumber = (value: number, type: TracedType): number => {
  if (type === 'bool') return Number(value !== 0);
  return type === 'int32' ? Math.trunc(value) : value;
};

/** The same entries in another type; numbers become whole ones by cutting towards zero, in both worlds. */
export function convert(graph: GraphBuilder, x: Traced, type: TracedType): Traced {
  if (type === x.type) return x;
  if (x.fill !== undefined) return graph.filled(convertedNumber(x.fill, type), x.shape, type);
  const layout = layoutOf(x);
  return graph.traced(graph.cast(graph.name(x, layout), type), x.shape, type, layout);
}
