import { addHead } from './add-head.js';
import { baseAndData, labelsOf, splitLoadOptions, type Start } from './base-and-data.js';
import type { Base } from './base.js';
import { createDataset } from './data/create-dataset.js';
import type { Dataset, RawInputs } from './data/dataset.js';
import { TransferKitError } from './errors.js';
import { contrastive } from './few-shot/contrastive-head.js';
import { contrastivePairs, countPairs, type ContrastivePair } from './few-shot/contrastive-pairs.js';
import { checkFewShotOptions, makeFewShotPlan, mostPairs, type FewShotOptions, type FewShotPlan } from './few-shot/few-shot-plan.js';
import { fitHead } from './few-shot/fit-head.js';
import { fineTune } from './fine-tune.js';
import { classification } from './heads/classification.js';
import type { SolveResult } from './heads/head.js';
import type { Modality } from './inputs/input.js';
import type { LoadOptions, PretrainedId } from './load-pretrained.js';
import type { Model, TrainingRecord } from './model.js';
import type { TrainingHistory } from './training/history.js';
import type { AnyModel } from './training/weight-set.js';

/** What `fewShot` gives back. */
export interface FewShot<ModelType> {
  readonly model: ModelType;
  readonly plan: FewShotPlan;
  /** Of the contrastive training; absent where it was left out. */
  readonly history: TrainingHistory | undefined;
  /** How the logistic regression went. */
  readonly head: SolveResult;
}

/**
 * Learns from a handful of examples a class, 8 to 64, as SetFit does: the whole base is tuned on pairs of examples, so that those
 * of one label come to lie together and those of different labels apart; then a logistic regression is fitted to its features.
 *
 * @param start a base, a name or source for one, or a model with a classification head
 * @param data labelled examples, or the path of some
 * @returns the model with plan and history; a base that was given is tuned in place
 * @throws TransferKitError `bad-data` for fewer than two labels; `bad-option`, `unknown-name`; what `loadPretrained` and `fineTune`
 *   throw. When it throws, a base that was given keeps its weights as far as they were trained
 * @source Tunstall et al., "Efficient Few-Shot Learning Without Prompts", 2022
 * @example
 * ```ts
 * import { fewShot } from 'transferkit';
 * import { examples } from 'transferkit/data';
 *
 * const few = examples([
 *   { text: 'I want my money back.', label: 'billing' },
 *   { text: 'The app closes when I open it.', label: 'bug' },
 * ]);
 * const { model, plan } = await fewShot('./all-MiniLM-L6-v2', few);
 * console.log(plan.describe());
 * console.log(await model.predict('You charged me twice.'));
 * ```
 */
export async function fewShot<M extends Modality, Label extends string>(
  start: Base<M> | Model<M, Label> | PretrainedId,
  data: Dataset<NoInfer<M>, Label>,
  options?: FewShotOptions & LoadOptions,
): Promise<FewShot<Model<M, Label>>>;
export async function fewShot(start: PretrainedId, data: string, options?: FewShotOptions & LoadOptions): Promise<FewShot<Model>>;
export async function fewShot(
  start: Start,
  data: Dataset | string,
  options: FewShotOptions & LoadOptions = {},
): Promise<FewShot<AnyModel>> {
  const { load, rest: settings } = splitLoadOptions(options);
  checkFewShotOptions(settings);
  const { base, model: given, examples, loaded } = await baseAndData(start, data, load);
  try {
    const labels = labelsOf(examples);
    checkLabels(examples);
    if (given !== undefined) return await train(given, examples, labels, settings);
    return await withNewHead(base, examples, (model) => train(model, examples, labels, settings));
  } catch (error) {
    if (loaded) base.dispose();
    throw error;
  }
}

/** Pairs need two labels. */
function checkLabels({ labels, origin }: Dataset): void {
  if (labels.length >= 2) return;
  throw new TransferKitError(
    'bad-data',
    `few-shot training needs examples of at least 2 labels.\n  Received: ${labels.length === 0 ? 'none' : `"${labels[0]}" alone`} in ${origin}\n  Fix: add examples of another label.`,
    { details: { labels } },
  );
}

/** Puts a classifier on a base, and takes it off again when the work fails. The base stays the caller's. */
async function withNewHead<Result>(base: Base, { labels }: Dataset, work: (model: AnyModel) => Promise<Result>): Promise<Result> {
  const model = addHead(base, classification(labels)) as AnyModel;
  try {
    return await work(model);
  } catch (error) {
    base.holders++; // else the base would go with its last model
    model.dispose();
    base.holders--;
    throw error;
  }
}

/** The recipe: pairs, contrastive training, logistic regression. */
async function train(model: AnyModel, examples: Dataset, labels: readonly string[], options: FewShotOptions): Promise<FewShot<AnyModel>> {
  checkHead(model);
  const { seed = 42, iterations } = options;
  const pairs = contrastivePairs(labels, { seed, iterations, most: mostPairs(options) });
  const plan = makeFewShotPlan({
    options,
    classCounts: examples.classCounts(),
    pairs: pairs.length,
    unlimited: countPairs(labels, iterations),
  });
  options.onPlan?.(plan);
  const contrast = pairs.length === 0 ? undefined : await tuneBase(model.base, examples, pairs, plan, options);
  const head = await fitHead(model, examples, plan);
  if (contrast !== undefined)
    model.record = { ...model.record, training: { ...contrast, data: examples.origin, classCounts: plan.classCounts } };
  return { model, plan, history: contrast?.history, head };
}

/** The head must be one that a logistic regression can be. */
function checkHead({ head }: AnyModel): void {
  if (head.branches === 1 && head.solve !== undefined && head.solvers?.includes('logistic-regression')) return;
  throw new TransferKitError(
    'unsupported',
    `fewShot ends with a logistic regression, and the head "${head.name}" cannot be fitted by one.\n  Fix: give it a model with a classification head, or the base alone.`,
    { details: { head: head.name } },
  );
}

/** Pulls alike examples together and different ones apart. */
async function tuneBase(
  base: Base,
  { modality, items, origin, onBadItem }: Dataset,
  pairs: readonly ContrastivePair[],
  plan: FewShotPlan,
  { signal, onProgress, progress }: FewShotOptions,
): Promise<TrainingRecord> {
  const pairItems = pairs.map(({ left, right, alike }, index) => ({
    id: `pair ${index} (${items[left]!.id}, ${items[right]!.id})`,
    input: [items[left]!.input, items[right]!.input] as readonly RawInputs[Modality][],
    target: alike ? 1 : 0,
  }));
  const data = createDataset<Modality, number>({ modality, items: pairItems, origin: `pairs of ${origin}`, onBadItem });
  const model = addHead(base, contrastive());
  const before = base.freeze;
  try {
    await fineTune(model, data, {
      unfreeze: 'all',
      headEpochs: 0,
      validation: 0,
      earlyStopping: false,
      epochs: plan.epochs,
      batchSize: plan.batchSize,
      learningRate: plan.learningRate,
      weightDecay: 0.01,
      schedule: { kind: 'linear', warmup: 0.1 },
      seed: plan.seed,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      ...(progress !== undefined && { progress }),
    });
    return model.record.training!;
  } finally {
    base.freeze = before;
    model.dispose();
  }
}
