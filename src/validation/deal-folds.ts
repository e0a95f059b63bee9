import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { createRandom } from '../common/random.js';
import { stratifiedFolds } from '../solving/stratified-folds.js';

/** The examples that are held out together. */
export interface Fold {
  /** From 1. */
  readonly repeat: number;
  /** From 1, within its repeat. */
  readonly number: number;
  readonly testIds: ReadonlySet<string>;
}

/** How many folds the data can give: each label must be in each. */
function foldCount(examples: Dataset, wanted: number): number {
  const { length, origin } = examples;
  const counts = Object.entries(examples.classCounts());
  const [label, least] = counts.reduce(
    (rarest, entry) => (entry[1] < rarest[1] ? entry : rarest),
    ['', counts.length > 0 ? Infinity : length],
  );
  if (least >= 2) return Math.min(wanted, least);
  throw new TransferKitError(
    'bad-data',
    `cross-validation needs at least 2 examples${label === '' ? '' : ' of each label'}: one to learn from and one to judge by.\n  Received: ${least}${label === '' ? '' : ` of "${label}"`} in ${origin}\n  Fix: add examples, or leave the label out.`,
    { details: { label, count: least } },
  );
}

function checkNames({ items, origin }: Dataset): void {
  const seen = new Set<string>();
  const twice = items.find(({ id }) => seen.size === seen.add(id).size);
  if (twice === undefined) return;
  throw new TransferKitError(
    'bad-data',
    `cross-validation tells examples apart by their id, and ${origin} has "${twice.id}" more than once.`,
    {
      details: { id: twice.id },
    },
  );
}

/** Deals examples into folds, in the proportions of the labels where there are labels. */
export function dealFolds(
  examples: Dataset,
  { folds: wanted = 5, repeats = 1, seed = 42 }: { readonly folds?: number; readonly repeats?: number; readonly seed?: number },
): Fold[] {
  checkNames(examples);
  const folds = foldCount(examples, wanted);
  const labels = examples.items.map(({ target }) => (typeof target === 'string' ? target : ''));
  return Array.from({ length: repeats }, (_, round) => {
    const dealt = stratifiedFolds(labels, folds, createRandom(seed).fork(`folds ${round}`));
    return Array.from({ length: folds }, (_unused, number): Fold => {
      const testIds = new Set(examples.items.filter((_item, index) => dealt[index] === number).map(({ id }) => id));
      return { repeat: round + 1, number: number + 1, testIds };
    });
  }).flat();
}
