import type { GraphBuilder } from '../graph-builder.js';
import { channelsFirstOrder, type KernelCall } from '../traced.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';
import { layoutOf } from './layouts.js';

/** How the places of two sizes belong together, by tfjs's rules. */
interface Scale {
  readonly from: number;
  readonly to: number;
  readonly aligned: boolean;
  readonly centred: boolean;
}

/** Where in the smaller or larger picture each place of the new one lies. */
function places({ from, to, aligned, centred }: Scale): number[] {
  const ratio = aligned && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, place) => ratio * (place + (centred ? 0.5 : 0)));
}

const nearest = (scale: Scale): number[] =>
  places(scale).map((place) => Math.min(scale.from - 1, scale.aligned ? Math.round(place) : Math.floor(place)));

function scalesOf(call: KernelCall, [, height, width]: readonly number[], [toHeight, toWidth]: readonly number[]): [Scale, Scale] {
  const rules = { aligned: attribute<boolean>(call, 'alignCorners'), centred: attribute<boolean>(call, 'halfPixelCenters') };
  return [
    { from: height!, to: toHeight!, ...rules },
    { from: width!, to: toWidth!, ...rules },
  ];
}

/** ONNX has tfjs's three conventions by name. */
const bilinear: GraphKernel = (call, graph) => {
  const x = input(call, 'images');
  const [height, width] = attribute<[number, number]>(call, 'size');
  const [{ aligned, centred }] = scalesOf(call, x.shape, [height, width]);
  const convention = aligned ? 'align_corners' : centred ? 'half_pixel' : 'asymmetric';
  const size = graph.integers([x.shape[0]!, x.shape[3]!, height, width]);
  const name = graph.node('Resize', [graph.name(x, 'channels-first'), '', '', size], {
    mode: 'linear',
    coordinate_transformation_mode: convention,
  });
  return graph.traced(name, [x.shape[0]!, height, width, x.shape[3]!], 'float32', 'channels-first');
};

/** Rows and columns are picked by numbers worked out here, as tfjs rounds them. */
const nearestNeighbor: GraphKernel = (call, graph) => {
  const x = input(call, 'images');
  const [height, width] = attribute<[number, number]>(call, 'size');
  const scales = scalesOf(call, x.shape, [height, width]);
  const layout = layoutOf(x);
  const name = scales.reduce(
    (from, scale, index) => {
      const axis = layout === 'plain' ? index + 1 : channelsFirstOrder.indexOf((index + 1) as 1 | 2);
      return scale.from === scale.to ? from : graph.node('Gather', [from, graph.integers(nearest(scale))], { axis });
    },
    graph.name(x, layout),
  );
  return graph.traced(name, [x.shape[0]!, height, width, x.shape[3]!], x.type, layout);
};

/** Shares of the old places in each new one, [to, from]. */
type Shares = (scale: Scale) => number[][];

function row(size: number, shares: readonly (readonly [place: number, share: number])[]): number[] {
  const sums = Array<number>(size).fill(0);
  for (const [place, share] of shares) sums[place]! += share;
  return sums;
}

const nearestShares: Shares = (scale) => nearest({ ...scale, centred: false }).map((place) => row(scale.from, [[place, 1]]));

const linearShares: Shares = (scale) =>
  places({ ...scale, centred: false }).map((place) => {
    const below = Math.floor(place);
    const above = Math.min(Math.ceil(place), scale.from - 1);
    return row(scale.from, [
      [below, 1 - (place - below)],
      [above, place - below],
    ]);
  });

const matrix = (graph: GraphBuilder, rows: readonly (readonly number[])[], turned: boolean): string => {
  const [height, width] = [rows.length, rows[0]!.length];
  const numbers = turned ? rows[0]!.flatMap((_, column) => rows.map((line) => line[column]!)) : rows.flat();
  return graph.constant(Float32Array.from(numbers), 'float32', turned ? [width, height] : [height, width]);
};

/** Each old place gets back its shares in the new ones. tfjs leaves half-pixel centres out of account here. */
const gradient =
  (shares: Shares): GraphKernel =>
  (call, graph) => {
    const [x, dy] = [input(call, 'images'), input(call, 'dy')];
    const [rows, columns] = scalesOf(call, x.shape, dy.shape.slice(1, 3));
    const tall = graph.node('MatMul', [matrix(graph, shares(rows), true), graph.name(dy, 'channels-first')]);
    const name = graph.node('MatMul', [tall, matrix(graph, shares(columns), false)]); // [batch, channels, height, width]
    return graph.traced(name, x.shape, 'float32', 'channels-first');
  };

export const resizingKernels: KernelTable = {
  ResizeBilinear: bilinear,
  ResizeBilinearGrad: gradient(linearShares),
  ResizeNearestNeighbor: nearestNeighbor,
  ResizeNearestNeighborGrad: gradient(nearestShares),
};
