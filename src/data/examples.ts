import { TransferKitError } from '../errors.js';
import type { Modality } from '../inputs/input.js';
import { checkOptions } from './check-options.js';
import { isWeight, weightExpected } from './item-weight.js';
import { createDataset } from './create-dataset.js';
import type { DataItem, Dataset, ImageInput, OnBadItem, RawInputs, TextInput } from './dataset.js';

/** What every example may say beside its input and its target. */
interface ExampleFacts {
  /** Names the example in errors and reports. Default: its place. */
  readonly id?: string;
  /** How much it counts in the training loss, from 0 on. Default 1. */
  readonly weight?: number;
}

/** One labelled photo or text, as a person writes it: exactly one input and one of `label` and `target`. */
export type Example = ExampleFacts &
  (
    | { readonly text: TextInput; readonly label: string }
    | { readonly text: TextInput; readonly target: unknown }
    | { readonly image: ImageInput; readonly label: string }
    | { readonly image: ImageInput; readonly target: unknown }
  );

/** An example whose input is named neutrally; an array of inputs is for heads that compare several. */
export type InputExample<M extends Modality> = ExampleFacts &
  (
    | { readonly input: RawInputs[M] | readonly RawInputs[M][]; readonly label: string }
    | { readonly input: RawInputs[M] | readonly RawInputs[M][]; readonly target: unknown }
  );

/** Numbers stay numbers; label literals stay what they are. */
type Widen<Target> = Target extends number ? number : Target;
type TargetOf<E> = Widen<E extends { readonly label: infer Label } ? Label : E extends { readonly target: infer Target } ? Target : never>;
type ModalityOf<E> = E extends { readonly text: unknown } ? 'text' : E extends { readonly image: unknown } ? 'image' : never;

/** Settings of `examples`. */
export interface ExamplesOptions<M extends Modality = Modality> {
  /** Needed where the examples say `input` instead of `text` or `image`. */
  readonly modality?: M;
  /** What to do with an example that cannot be read. Default `error`. */
  readonly onBadItem?: OnBadItem;
  /** A name for plans and model cards. Default `examples in memory`. */
  readonly origin?: string;
}

interface LooseExample {
  readonly [member: string]: unknown;
}

function badExample(index: number, received: unknown, expected: string): TransferKitError {
  const shown = typeof received === 'object' && received !== null ? `{ ${Object.keys(received).join(', ')} }` : String(received);
  return new TransferKitError('bad-data', `example ${index} cannot be used.\n  Expected: ${expected}\n  Received: ${shown}`, {
    details: { index },
  });
}

/** Which of some member names an example has; exactly one is allowed. */
function onlyMember(example: LooseExample, names: readonly string[], index: number): string {
  const present = names.filter((name) => example[name] !== undefined);
  if (present.length === 1) return present[0]!;
  throw badExample(index, example, `one of ${names.join(', ')}`);
}

function modalityOf(inputName: string, options: ExamplesOptions, index: number): Modality {
  const named = inputName === 'input' ? options.modality : (inputName as Modality);
  if (named === undefined) {
    throw new TransferKitError('bad-option', "examples() with { input } needs the option modality: 'image' or modality: 'text'.");
  }
  if (options.modality === undefined || options.modality === named) return named;
  throw badExample(index, { [inputName]: '' }, `${options.modality}, as the option modality says`);
}

class Collector {
  readonly items: DataItem[] = [];
  modality: Modality | undefined;

  constructor(readonly options: ExamplesOptions) {}

  add(example: unknown): void {
    const index = this.items.length;
    if (typeof example !== 'object' || example === null) throw badExample(index, example, '{ text, label } or { image, label }');
    const loose = example as LooseExample;
    const inputName = onlyMember(loose, ['text', 'image', 'input'], index);
    const modality = modalityOf(inputName, this.options, index);
    this.modality ??= modality;
    if (modality !== this.modality) throw badExample(index, example, `${this.modality}, as the examples before it`);
    const targetName = onlyMember(loose, ['label', 'target'], index);
    const target = loose[targetName];
    if (targetName === 'label' && typeof target !== 'string') throw badExample(index, example, 'a label that is a string');
    const id = typeof loose['id'] === 'string' ? loose['id'] : `example ${index}`;
    const weight = loose['weight'];
    if (weight !== undefined && !isWeight(weight)) throw badExample(index, weight, `a weight that is ${weightExpected}`);
    this.items.push({ id, input: loose[inputName] as RawInputs[Modality], target, ...(weight === undefined ? {} : { weight }) });
  }

  finish(): Dataset {
    const { origin = 'examples in memory', onBadItem = 'error', modality } = this.options;
    const known = this.modality ?? modality;
    if (known === undefined) {
      throw new TransferKitError('bad-data', 'examples() received nothing.\n  Expected: at least one { text, label } or { image, label }.');
    }
    return createDataset({ modality: known, items: this.items, origin, onBadItem });
  }
}

async function collectAsync(source: AsyncIterable<unknown>, collector: Collector): Promise<Dataset> {
  for await (const example of source) collector.add(example);
  return collector.finish();
}

/**
 * A data set from examples at hand: an array, any iterable, or an async iterable (then it is a promise).
 *
 * Labels are typed: `{ label: 'cat' }` and `{ label: 'dog' }` give `Dataset<'image', 'cat' | 'dog'>`.
 *
 * @throws TransferKitError `bad-data` naming the example that is not one; `bad-option`
 * @example
 * ```ts
 * import { examples } from 'transferkit/data';
 *
 * const reviews = examples([
 *   { text: 'A joy from start to end.', label: 'good' },
 *   { text: 'I left after ten minutes.', label: 'bad' },
 * ]);
 * reviews.labels; // ['bad', 'good']
 * ```
 */
export function examples<const E extends Example>(source: Iterable<E>, options?: ExamplesOptions): Dataset<ModalityOf<E>, TargetOf<E>>;
export function examples<const E extends Example>(
  source: AsyncIterable<E>,
  options?: ExamplesOptions,
): Promise<Dataset<ModalityOf<E>, TargetOf<E>>>;
export function examples<M extends Modality, const E extends InputExample<M>>(
  source: Iterable<E>,
  options: ExamplesOptions<M> & { readonly modality: M },
): Dataset<M, TargetOf<E>>;
export function examples<M extends Modality, const E extends InputExample<M>>(
  source: AsyncIterable<E>,
  options: ExamplesOptions<M> & { readonly modality: M },
): Promise<Dataset<M, TargetOf<E>>>;
export function examples(source: Iterable<unknown> | AsyncIterable<unknown>, options: ExamplesOptions = {}): Dataset | Promise<Dataset> {
  checkOptions('examples()', options, ['modality', 'onBadItem', 'origin']);
  const collector = new Collector(options);
  if (typeof source === 'object' && Symbol.asyncIterator in source) return collectAsync(source, collector);
  for (const example of source) collector.add(example);
  return collector.finish();
}
