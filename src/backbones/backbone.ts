/**
 * The contract of a backbone family: one architecture in all its sizes.
 *
 * A family is a table and a builder. It knows what the tensors of a checkpoint mean, and nothing of where they came from, of
 * training, or of heads. One file per family; adding one changes no shared code.
 */
import type { LayersModel, LayerVariable, SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import type { RawInputs } from '../data/dataset.js';
import type { InputRecipe, Modality, ProcessorFactory } from '../inputs/input.js';
import type { JsonObject } from '../common/json.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';

/** Layers that are frozen and unfrozen together. */
export interface LayerGroup {
  /** `stem`, `block-1` ... `block-16`, `top`; `embeddings`, `layer-1` ... */
  readonly name: string;
  readonly layers: readonly layers.Layer[];
}

/** What heads may take from a backbone. A family offers those that it has. */
export interface BackboneFeatures {
  /** One vector an example: float32 [batch, features]. */
  readonly pooled: SymbolicTensor;
  /** One vector a token: float32 [batch, tokens, features]. */
  readonly sequence?: SymbolicTensor;
  /** Which tokens are real: float32 or int32 [batch, tokens], 1 or 0. */
  readonly mask?: SymbolicTensor;
  /** One vector a place: float32 [batch, height, width, features]. */
  readonly map?: SymbolicTensor;
}

export type FeatureName = keyof BackboneFeatures;

/** A built network without a head. Its weights are random until they are filled. */
export interface BuiltBackbone {
  /** Inputs in the order of the processor's arrays. */
  readonly model: LayersModel;
  /** From input to output; every layer with weights is in exactly one group. */
  readonly groups: readonly LayerGroup[];
  readonly features: BackboneFeatures;
  /** The token embedding, float32 [vocabulary, features], for heads that share it. */
  readonly embedding?: LayerVariable;
}

/** A family at its smallest, for tests. */
export interface TinyBackbone<Config extends JsonObject, M extends Modality> {
  readonly config: Config;
  readonly input: InputRecipe;
  /** Companion files that the processor needs, as text. */
  readonly files?: Readonly<Record<string, string>>;
  /** Eight inputs that its features can tell apart. Default for images: drawn noise. */
  readonly samples?: readonly RawInputs[M][];
}

/**
 * A backbone family.
 * @typeParam Config - the family's own settings, in camelCase, as plain JSON; saved with the model.
 */
export interface BackboneDefinition<Config extends JsonObject = JsonObject, M extends Modality = Modality> {
  readonly apiVersion: 1;
  /** kebab-case, equal to its file's name: `mobilenet-v2`. */
  readonly name: string;
  readonly modality: M;
  /** Does this checkpoint belong to the family? Cheap: looks at config and tensor names only. */
  readonly matches: (checkpoint: Checkpoint) => boolean;
  /**
   * The checkpoint's configuration as ours. Every field is used, checked, or known to be irrelevant.
   * @throws TransferKitError `bad-config` naming the field that is missing or not supported.
   */
  readonly parse: (checkpoint: Checkpoint) => Config | Promise<Config>;
  /** Builds the network. Layer names are stable: they name the weights in saved files. */
  readonly build: (config: Config) => BuiltBackbone;
  /** One table per way of naming tensors: `huggingface`, `timm`, `torchvision`, `keras`. */
  readonly weights: Readonly<Record<string, WeightTable<Config>>>;
  /** How raw inputs are prepared: from the companion files where they say, else the family's own habit. */
  readonly input: (config: Config, checkpoint: Checkpoint) => InputRecipe | Promise<InputRecipe>;
  /** Makes the processor from the recipe: `imageProcessor` or `textProcessor`, or one of its own. */
  readonly processor: ProcessorFactory;
  /** Peak learning rate that suits pretrained weights of this family when they are fine-tuned, of all sizes or by size. Default 1e-4. */
  readonly fineTuningRate?: number | ((config: Config) => number);
  /**
   * What learns where the caller did not say: the head alone (`head`, the default), for features that serve as they are; or the base
   * too (`base`), for pretrained weights that gain much by a little training even on few examples.
   */
  readonly learnsByDefault?: 'head' | 'base';
  /** A small config with random weights, for the conformance kit: a training step takes milliseconds. */
  readonly tiny: TinyBackbone<Config, M>;
}

/**
 * Makes a backbone plug-in from its parts.
 * @example See `docs/adding-a-backbone.md`.
 */
export const defineBackbone = <Config extends JsonObject, M extends Modality>(
  definition: BackboneDefinition<Config, M>,
): BackboneDefinition<Config, M> => Object.freeze({ ...definition });

/** Any family, whatever its config. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the config type is private to each family
export type AnyBackbone<M extends Modality = Modality> = BackboneDefinition<any, M>;
