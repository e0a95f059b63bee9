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
import type { OnnxRuntimeRequest, Runtime } from '../runtimes/runtime.js';
import type { Checkpoint, FileLimits } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';

/** Layers that are frozen and unfrozen together. */
export interface LayerGroup {
  /** `stem`, `block-1` ... `block-16`, `top`; `embeddings`, `layer-1` ... */
  readonly name: string;
  readonly layers: readonly layers.Layer[];
  /** Present for layers that can be run and not trained; with the number of weights that they hold outside of tfjs. */
  readonly fixed?: { readonly parameters: number };
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
  /** Companion files that the processor needs and those that are attached, as text or bytes. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Eight inputs that its features can tell apart. Default for images: drawn noise. */
  readonly samples?: readonly RawInputs[M][];
}

/** What a family is given to attach files of its own to a network. */
export interface AttachContext {
  readonly runtime: Runtime;
  /** How ONNX Runtime is wanted. */
  readonly onnxRuntime: OnnxRuntimeRequest;
  /** A file of the checkpoint or of the saved model. */
  readonly file: (path: string, limits?: FileLimits) => Promise<Uint8Array | undefined>;
}

/** Files that a network consists of beside its tensors, ready to be run. */
export interface AttachedFiles<Config extends JsonObject = JsonObject> {
  /** The family's settings as they are of these files; saved with the model. */
  readonly config: Config;
  /** The files by path, as a saved model carries them. Attaching them again gives the same. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What runs them, with its version: other versions may round otherwise. */
  readonly runBy: string;
  /** Lets go of what runs them. Idempotent. */
  dispose(): Promise<void>;
}

/** A network's type in transformers. */
export interface TransformersType {
  /** `mobilenet_v2`, the `model_type` of its config. */
  readonly modelType: string;
  /** `MobileNetV2`, what the names of its classes begin with. */
  readonly className: string;
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
   * @param settings what the caller set; it overrules the result anyway, and may decide here which file is read
   * @throws TransferKitError `bad-config` naming the field that is missing or not supported.
   */
  readonly parse: (checkpoint: Checkpoint, settings?: JsonObject) => Config | Promise<Config>;
  /** Builds the network. Layer names are stable: they name the weights in saved files. */
  readonly build: (config: Config) => BuiltBackbone;
  /** One table per way of naming tensors: `huggingface`, `timm`, `torchvision`, `keras`. */
  readonly weights: Readonly<Record<string, WeightTable<Config>>>;
  /**
   * Reads files that are no tensors into the built network and makes them ready to be run, for families whose networks are such files.
   * Called once after `build`; the tensors are filled after it. A family with this member may recognise checkpoints without tensors.
   * @throws TransferKitError `not-found`, `corrupt-file`, `missing-package`, `unsupported`; nothing is left open then
   */
  readonly attach?: (built: BuiltBackbone, config: Config, context: AttachContext) => Promise<AttachedFiles<Config>>;
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
  /**
   * What transformers calls such networks, which exported folders carry so that its libraries know how to load them. Default: a type
   * whose inputs are those of the modality (`vit`, `bert`).
   */
  readonly transformersType?: TransformersType;
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
