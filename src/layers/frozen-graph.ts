import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Shape } from '@tensorflow/tfjs-layers';
import type { HostTensor } from '../engines/engine.js';
import { TransferKitError } from '../errors.js';
import type { AheadLayer } from './ahead-layer.js';

/** Settings of `FrozenGraph`. */
export interface FrozenGraphArguments {
  readonly name: string;
  /** What it gives for one example, null where a size is free: `[null, 384]`. */
  readonly outputShape: readonly (number | null)[];
}

/** Runs the graph on one batch. */
export type RunGraph = (inputs: readonly HostTensor[]) => Promise<HostTensor>;

/**
 * A network that another library runs, as one layer without weights: it can be run, and not trained through. Inputs are what the graph
 * takes; output: float32 [batch, ...outputShape]. What runs it is set after it was built.
 */
export class FrozenGraph extends layers.Layer implements AheadLayer {
  static readonly className = 'TransferKitFrozenGraph';
  /** Without the batch axis. */
  readonly sizes: readonly (number | null)[];
  #run: RunGraph | undefined;

  constructor(options: FrozenGraphArguments) {
    super({ name: options.name });
    this.sizes = options.outputShape;
  }

  /** Sets what runs it. */
  runBy(run: RunGraph): void {
    this.#run = run;
  }

  /** @throws TransferKitError `unsupported`, always: tfjs cannot run it */
  override call(): tf.Tensor {
    throw new TransferKitError(
      'unsupported',
      `layer "${this.name}" is a graph that ONNX Runtime runs: it can be run, and neither trained through nor recorded.\n` +
        '  Fix: train a head on its features, and save the model with model.save(); to train or export the network itself, load weights in safetensors.',
      { details: { layer: this.name } },
    );
  }

  /** @throws TransferKitError `unsupported` while nothing runs it; `bad-config` where the graph gives another shape than was said */
  async computeAhead(inputs: readonly HostTensor[]): Promise<readonly HostTensor[]> {
    if (this.#run === undefined)
      throw new TransferKitError(
        'unsupported',
        `layer "${this.name}" was built without the graph that it stands for.\n  Fix: load the base with loadPretrained or loadModel, which read the file.`,
      );
    const output = await this.#run(inputs);
    this.#checkShape(output.shape);
    return [output];
  }

  #checkShape(shape: readonly number[]): void {
    const [, ...sizes] = shape;
    if (sizes.length === this.sizes.length && this.sizes.every((size, axis) => size === null || size === sizes[axis])) return;
    const expected = ['batch', ...this.sizes.map((size) => size ?? 'any')].join(', ');
    throw new TransferKitError(
      'bad-config',
      `the graph "${this.name}" gives another shape than its configuration says.\n  Expected: [${expected}]\n  Received: [${shape.join(', ')}]\n` +
        '  Fix: leave out the settings kind and features, or give those of the output that is meant.',
      { details: { layer: this.name, shape } },
    );
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [first] = inputShape;
    return [Array.isArray(first) ? first[0]! : (first ?? null), ...this.sizes];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), outputShape: [...this.sizes] };
  }
}

tf.serialization.registerClass(FrozenGraph);
