import type { AdapterRecipe } from '../adapters/recipe.js';
import type { NormalizationMode } from '../base.js';
import type { Dataset } from '../data/dataset.js';
import type { ImageAugmentation, MixAugmentation, TextAugmentation } from '../inputs/augment/recipe.js';
import type { Modality } from '../inputs/input.js';
import type { Unfreeze } from '../layers/learning-groups.js';
import type { CheckpointOptions } from './checkpoint/checkpoint-options.js';
import type { TrainingControl } from './control.js';
import type { TrainingEvent } from './events.js';
import type { LogOptions } from './log.js';
import type { OptimizerName, OptimizerRecipe } from './optimizer-recipe.js';
import type { TrainingPlan } from './plan.js';
import type { ProgressEvent } from './progress.js';
import type { ScheduleRecipe } from './schedule.js';
import type { Strategy, StrategyName } from './strategy.js';

/** Stop when validation no longer improves; the best weights are restored either way. */
export interface EarlyStopping {
  /** Epochs without improvement before a phase ends. Default 5. */
  readonly patience?: number;
  /** What is watched: the validation loss (default) or a metric of the head, such as `accuracy`. */
  readonly monitor?: string;
}

/** Where features are kept beyond memory, so that the next run finds them. */
export interface FeatureCacheOptions {
  /** Folder. Default: the package's cache folder. */
  readonly directory?: string;
  /** Largest size of all features in it; what was used least lately goes first. Default 10 GiB. */
  readonly maxBytes?: number;
}

/** Random changes of training inputs. */
export type Augmentation<M extends Modality> = M extends 'image' ? ImageAugmentation : TextAugmentation;

/** Options of `fineTune`. Every default is chosen from the data and explained by `plan.describe()`. */
export interface FineTuneOptions<M extends Modality = Modality, Target = unknown> {
  /** Held-out examples, or the fraction of the training data to hold out (0 for none). Default 0.1 from 500 examples on. */
  readonly validation?: Dataset<M, Target> | number;
  /** How to train, stage by stage: a name, or plain data from `strategies`. Default: chosen from the data and the base. */
  readonly strategy?: StrategyName | Strategy;
  /** Short for the head first, then the head and these layer groups of the base; overrules `freezeBase`. Not beside an adapter. */
  readonly unfreeze?: Unfreeze;
  /** What normalisation layers of unfrozen groups do; see `freezeBase`. */
  readonly normalization?: NormalizationMode;
  /** Small matrices that learn in place of the base's weights; `lora()`. */
  readonly adapter?: AdapterRecipe;
  /** Passes over the data in the last stage. */
  readonly epochs?: number;
  /** Passes that train the head alone before anything is unfrozen, step by step. 0 for none. */
  readonly headEpochs?: number;
  /** Examples a step. */
  readonly batchSize?: number;
  /** Steps whose gradients are averaged before the weights move. Default 1. */
  readonly accumulate?: number;
  /** Peak learning rate, one for all or one for each part that learns. */
  readonly learningRate?: number | { readonly head?: number; readonly base?: number; readonly adapter?: number };
  /** What moves the weights. Default AdamW. */
  readonly optimizer?: OptimizerName | OptimizerRecipe;
  /** How the rate runs over each stage. Default: warm-up, then cosine. */
  readonly schedule?: ScheduleRecipe['kind'] | ScheduleRecipe;
  /** Decoupled weight decay; never on biases and norms. Default 1 for a head alone, 0.01 when the base learns. */
  readonly weightDecay?: number;
  /** Share of the steps in which the rate climbs to its peak. Default 0.1. */
  readonly warmup?: number;
  /** Largest global norm of the gradient; 0 for no limit. Default 1. */
  readonly gradientClip?: number;
  /** Judge and keep a moving average of the weights: its decay, or true for 0.999. */
  readonly ema?: number | boolean;
  /** Keep the mean of the weights of this many best epochs. Default 1: the best alone. */
  readonly averageBest?: number;
  /** Random changes of training inputs; `imageAugmentation`, `textAugmentation`. */
  readonly augment?: Augmentation<M>;
  /** Mixing of the examples of a batch. */
  readonly mix?: MixAugmentation;
  /** Augmented views an example of which the frozen part computes the features once; refused where no part is frozen. Default 4. */
  readonly views?: number;
  /** `balanced` draws every class alike often. Default `shuffled`: each example once an epoch. */
  readonly sampling?: 'shuffled' | 'balanced';
  /** Weights of the classes in the loss, or `'balanced'`. Default: all alike. */
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>>;
  /** 0 to 1: share of the target that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number;
  /** Focal loss: examples that are already right weigh less, by (1 - p) ** focalGamma. Default 0. */
  readonly focalGamma?: number;
  /** `false` trains every epoch and keeps the last weights. */
  readonly earlyStopping?: EarlyStopping | false;
  /** Same seed, same figures. Default 42. */
  readonly seed?: number;
  /** Aborting ends the training and keeps the best weights so far. */
  readonly signal?: AbortSignal;
  /** Pauses, resumes and aborts from outside. */
  readonly control?: TrainingControl;
  /** Told the plan before anything runs. */
  readonly onPlan?: (plan: TrainingPlan) => void;
  /** Told of every step. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Told of everything: plan, features, steps, epochs, checkpoints, the end. */
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Show a bar when stderr is a terminal. Default true. */
  readonly progress?: boolean;
  /** A file to which steps and epochs are written: `.jsonl` or `.csv`. */
  readonly log?: LogOptions;
  /** A folder from which a run that was cut off continues. */
  readonly checkpoint?: CheckpointOptions;
  /** Bytes of memory for cached features. Default 2 GiB. */
  readonly cacheBytes?: number;
  /** Features beyond memory, and for the next run; `false` for memory only. Default: kept on disk in Node; refused where there is no disk. */
  readonly cache?: FeatureCacheOptions | false;
  /** Worker threads that read examples and compute features. Default 0: this thread. */
  readonly workers?: number;
  /** Train in a worker thread, so that this one stays free. Default false. */
  readonly worker?: boolean;
}
