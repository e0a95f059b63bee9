/**
 * The contract of a head: the task that is put on top of a backbone.
 *
 * A head is data, a few layers, a loss and the way back to plain data. It knows labels and targets; it does not know the
 * backbone, the training loop or the runtime. What each known task needs of this contract is written down in
 * `docs/decisions/heads.md`.
 */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { LayersModel, LayerVariable } from '@tensorflow/tfjs-layers';
import type { FeatureName } from '../backbones/backbone.js';
import type { Report } from '../evaluation/report.js';
import type { EncodedArray, EncodedInput } from '../inputs/input.js';
import type { JsonObject } from '../common/json.js';
import type { Random } from '../common/random.js';

/** Shapes of the features that a head takes, without the batch axis; null where the size varies. */
export type FeatureShape = readonly (number | null)[];

/** What a head is built from. */
export interface HeadBuildContext {
  /** One shape per name in `takes`, repeated for each branch. */
  readonly shapes: readonly FeatureShape[];
  /** Seed of the initial weights. */
  readonly seed: number;
  /**
   * The backbone's token embedding, float32 [vocabulary, features], for heads that share it (language modelling). It belongs to
   * the base: a layer may read it, and must not list it among its own weights, so that freezing and saving stay the base's.
   */
  readonly embedding?: LayerVariable;
}

/** Settings of the loss that a caller may give to `fineTune`. */
export interface LossOptions {
  /** 0 to 1: how much of the target's weight is spread over all classes. */
  readonly labelSmoothing?: number;
  /** Focal loss: examples that are already right weigh less, by (1 - p) ** focalGamma. 0 is plain cross-entropy. */
  readonly focalGamma?: number;
}

/** Ways to fit a head to features at once, instead of step by step. */
export type HeadSolver = 'logistic-regression' | 'nearest-centroid';

/** What `Head.solve` is given. */
export interface SolveOptions {
  readonly solver: HeadSolver;
  /** Weight of each example; all 1 where nothing was asked for. */
  readonly weights: Float32Array;
  /** Inverse strength of the L2 penalty, as scikit-learn's C; `'auto'` chooses it by cross-validation on the examples. */
  readonly strength: number | 'auto';
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** What a solver did. */
export interface SolveResult {
  /** Mean loss over the examples, without the penalty. */
  readonly loss: number;
  readonly iterations: number;
  /** Inverse strength of the penalty that was used; absent where there is none. */
  readonly strength?: number;
}

/**
 * One evaluated example: what came out, what should have. It keeps what `decode` made of the raw outputs, not the outputs, which
 * for a language model are megabytes an example.
 */
export interface Outcome<Target, Prediction = unknown> {
  readonly id: string;
  readonly target: Target;
  readonly prediction: Prediction;
  readonly loss: number;
  /** The head's `metrics` for this example; a weight of an average (tokens of a text) can be one of them. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What `report` may be told. */
export interface ReportOptions {
  /** Seed of the bootstrap. */
  readonly seed: number;
  /** Largest k of the top-k accuracy. */
  readonly topK?: number;
}

/**
 * A task on top of a backbone.
 * @typeParam Target - what an example is labelled with, as a person writes it.
 * @typeParam Prediction - what `predict` gives for one input, as plain data.
 * @typeParam Branches - how many inputs make an example.
 */
export interface Head<Target = unknown, Prediction = unknown, R extends Report = Report, Branches extends number = 1> {
  readonly apiVersion: 1;
  /** Name of the definition that can restore it. */
  readonly name: string;
  /** Everything that restores it: labels, options. */
  readonly config: JsonObject;
  /** Which features it takes, in the order of its model's inputs. */
  readonly takes: readonly FeatureName[];
  /** Inputs per example that are each run through the backbone: 1, or 2 for pairs that are compared. */
  readonly branches: Branches;
  /** Builds its layers: inputs are the features of `takes` (branch after branch), outputs are raw scores, not probabilities. */
  build(context: HeadBuildContext): LayersModel;
  /**
   * Looks at training examples before the first step, to standardise or to start from a closed form. Called at the start of
   * each training; a model that has learnt already must give the same outputs after it as before.
   * @param features one float32 tensor per input of the head's model, [examples, ...]: all training examples, or a sample where
   *   they are many. Caller disposes
   * @param targets what `encode` gave for them, [examples, ...]. Caller disposes
   */
  adapt?(model: LayersModel, features: readonly Tensor[], targets: readonly Tensor[]): void;
  /** Ways in which `solve` can fit this head. */
  readonly solvers?: readonly HeadSolver[];
  /**
   * Fits the head's layers to features of all training examples at once; called after `adapt`.
   * @param features one float32 tensor per input of the head's model, [examples, ...]. Caller disposes
   * @param targets what `encode` gave for them, [examples, ...]. Caller disposes
   */
  solve?(model: LayersModel, features: readonly Tensor[], targets: readonly Tensor[], options: SolveOptions): Promise<SolveResult>;
  /** Whether the loss takes targets between those that `encode` gives, so that examples can be mixed (mixup, cutmix). */
  readonly softTargets?: boolean;
  /**
   * The inputs of one training example as the backbone shall see them this time: masked words, for a task whose targets are made
   * from its inputs. What comes back is handed to `encode` as it is, so it may carry facts of the head's own beside the arrays.
   * Inputs change from epoch to epoch, so nothing of such a head is cached. In evaluation `random` is the same every time.
   */
  corrupt?(inputs: readonly EncodedInput[], random: Random): readonly EncodedInput[];
  /**
   * One example's target as numbers. `inputs` are the encoded inputs of its branches, for targets that speak of tokens or boxes.
   * @throws TransferKitError `bad-data` naming the target and what is allowed.
   */
  encode(target: Target, inputs: readonly EncodedInput[]): readonly EncodedArray[];
  /** True where `encode` looks at the target alone, so that it can be asked without inputs: relabelled examples keep their features. */
  readonly encodesTargetAlone?: boolean;
  /** The value that pads each target array when sizes differ within a batch. */
  readonly targetPadding: readonly number[];
  /**
   * Loss of each example: float32 [batch]. `outputs` and `targets` have the batch axis first. Where sizes vary, each is padded to
   * the longest it was batched with, and outputs may be longer than targets. Pure tensor operations, so that it can be recorded.
   */
  loss(outputs: readonly Tensor[], targets: readonly Tensor[], options: LossOptions): Tensor1D;
  /** Options of `loss` that this head honours; others are refused with `bad-option`. */
  readonly lossOptions: readonly (keyof LossOptions)[];
  /** Figures shown while training, each one number an example: float32 [batch]. */
  readonly metrics: Readonly<Record<string, (outputs: readonly Tensor[], targets: readonly Tensor[]) => Tensor1D>>;
  /** The weight of each example in the loss, for `classWeights`; absent where the task has no classes. */
  exampleWeights?(targets: readonly Target[], classWeights: 'balanced' | Readonly<Record<string, number>>): Float32Array;
  /**
   * The outputs of one example as plain data. Arrays may be longer than the input was, where it was padded in its batch. Called
   * batch by batch; raw outputs are not kept.
   */
  decode(outputs: readonly EncodedArray[], inputs: readonly EncodedInput[]): Prediction;
  /** The verdict over all examples. */
  report(outcomes: readonly Outcome<Target, Prediction>[], options: ReportOptions): R;
  /** Facts for the saved folder: `id2label`, the Hub's pipeline tag. */
  readonly card: { readonly pipelineTag: Readonly<Record<'image' | 'text', string>>; readonly labels?: readonly string[] };
}

/** Restores a saved head. */
export interface HeadDefinition {
  readonly apiVersion: 1;
  /** kebab-case, equal to its file's name. */
  readonly name: string;
  /** @throws TransferKitError `bad-config` */
  restore(config: JsonObject): AnyHead;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- targets and predictions are private to each head
export type AnyHead = Head<any, any, any, number>;

/** Makes a head plug-in from its parts. */
export const defineHead = (definition: HeadDefinition): HeadDefinition => Object.freeze({ ...definition });
