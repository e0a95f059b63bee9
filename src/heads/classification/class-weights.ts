import { TransferKitError } from '../../errors.js';
import { nearestName } from '../../common/nearest-name.js';
import { listed } from './labels.js';

/** Weights that make each class present count alike: examples / (classes * examples of the class), as scikit-learn has it. */
export function balancedWeights(targets: readonly string[]): Float32Array {
  const counts = new Map<string, number>();
  for (const target of targets) counts.set(target, (counts.get(target) ?? 0) + 1);
  return Float32Array.from(targets, (target) => targets.length / (counts.size * counts.get(target)!));
}

/** One weight an example; 1 for labels that are not named. @throws TransferKitError `bad-option` */
export function givenWeights(
  targets: readonly string[],
  classWeights: Readonly<Record<string, number>>,
  labels: readonly string[],
): Float32Array {
  const weights = new Map(Object.entries(classWeights));
  for (const [label, weight] of weights) {
    const nearest = nearestName(label, labels);
    const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    if (!labels.includes(label))
      throw new TransferKitError(
        'bad-option',
        `classWeights names the label "${label}", which this model does not know.${hint}\n  Known: ${listed(labels)}`,
      );
    if (!Number.isFinite(weight) || weight < 0)
      throw new TransferKitError(
        'bad-option',
        `the class weight of "${label}" must be a number of at least 0.\n  Received: ${String(weight)}`,
      );
  }
  return Float32Array.from(targets, (target) => weights.get(target) ?? 1);
}
