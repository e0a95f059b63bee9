/**
 * The contract of an input processor: what turns a photo or a sentence into the tensors that a backbone takes.
 *
 * A recipe is plain data, saved with the model; the processor is made from it. The same recipe gives the same numbers in Node
 * and in the browser.
 */
import type { JsonObject } from '../common/json.js';
import type { Random } from '../common/random.js';
import type { RgbImage, Runtime } from '../runtimes/runtime.js';
import type { InputAugmentation } from './augment/recipe.js';

/** What goes in: photos or sentences. */
export type Modality = 'image' | 'text';

/** Numbers of one example for one input of the network, without the batch axis. */
export interface EncodedArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** One example, ready to be batched. */
export interface EncodedInput {
  /** One array per input of the backbone's model, in its order. */
  readonly arrays: readonly EncodedArray[];
  /** Relative cost, for batching alike with alike: tokens of a text; constant for photos of one size. */
  readonly length: number;
  /** Where the tokens came from, for tasks that speak of words and characters. Absent where the tokenizer cannot tell. */
  readonly alignment?: TokenAlignment;
  /** Which part of the photo is seen, for tasks that speak of places in it. */
  readonly view?: ImageView;
}

/** The way from tokens back to the text they came from. */
export interface TokenAlignment {
  /** The sentence, or the two of a pair. */
  readonly texts: readonly string[];
  /**
   * Three numbers a token: index into `texts`, first character, character after the last (UTF-16, as `slice` takes them).
   * -1, -1, -1 for special tokens.
   */
  readonly spans: Int32Array;
  /** Token ids as text again, by the tokenizer that made them. */
  readonly textOf?: (ids: readonly number[]) => string;
}

/** The way from the network's pixels back to the photo: x = scaleX * column + offsetX, y = scaleY * row + offsetY. */
export interface ImageView {
  /** Size of the photo in its own pixels, orientation applied. */
  readonly width: number;
  readonly height: number;
  /** Photo pixels per network pixel; negative where the view is mirrored. */
  readonly scaleX: number;
  readonly scaleY: number;
  readonly offsetX: number;
  readonly offsetY: number;
}

/** How raw inputs become tensors, as plain data. `kind` names the modality's recipe format. */
export interface InputRecipe extends JsonObject {
  readonly kind: Modality;
}

/** What a processor is made with. */
export interface ProcessorContext {
  readonly runtime: Runtime;
  /** A companion file of the checkpoint or of the saved model (tokenizer.json, ...). */
  readonly file: (path: string) => Promise<Uint8Array | undefined>;
}

/** How one input is changed before it is encoded. */
export interface AugmentedView {
  readonly augmentation: InputAugmentation;
  /** Draws for this input alone: same state, same view. */
  readonly random: Random;
}

/** Turns raw inputs into numbers. */
export interface InputProcessor<Raw = unknown> {
  readonly recipe: InputRecipe;
  /**
   * Encodes one raw input; with a view, changed at random.
   * @throws TransferKitError `bad-input`, `corrupt-file`, `too-large`, `not-found`, naming the input; `bad-option` for a view that
   *   is meant for another modality
   */
  encode(raw: Raw, view?: AugmentedView): Promise<EncodedInput>;
  /**
   * Bytes that stand for a raw input: inputs with the same bytes are encoded to the same numbers. Undefined for one that would
   * have to be fetched. Without this member nothing is kept on disk between runs.
   * @throws TransferKitError as `encode` does
   */
  content?(raw: Raw): Promise<Uint8Array | undefined>;
  /** What the network sees, for people: the picture without its normalisation, or the tokens as text. */
  show?(encoded: EncodedInput): RgbImage | string;
  /** The value that pads each input array to the longest of a batch, in the order of `arrays`. */
  readonly padding: readonly number[];
  /** Name of the one size that changes from example to example, `tokens`; absent where all arrays are alike, as pictures are. */
  readonly freeSize?: string;
  /** Files that a saved model must carry for `create` to make the same processor again. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Makes a processor from its recipe. */
export type ProcessorFactory = (recipe: InputRecipe, context: ProcessorContext) => Promise<InputProcessor>;
