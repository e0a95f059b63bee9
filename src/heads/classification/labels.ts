import { TransferKitError } from '../../errors.js';
import type { EncodedArray } from '../../inputs/input.js';
import { nearestName } from '../../common/nearest-name.js';

/** The labels in words, cut short where there are many. */
export const listed = (labels: readonly string[]): string =>
  labels.length <= 20 ? labels.join(', ') : `${labels.slice(0, 20).join(', ')} and ${labels.length - 20} more`;

/** Callers without types may pass anything. */
function checkAreLabels(labels: unknown): void {
  const broken: unknown = Array.isArray(labels) ? labels.find((label) => typeof label !== 'string') : labels;
  if (Array.isArray(labels) && broken === undefined) return;
  const received = typeof broken === 'string' ? broken : JSON.stringify(broken);
  throw new TransferKitError(
    'bad-data',
    `classification takes an array of label names.\n  Received: ${received}\n  Fix: turn labels into strings, such as String(label).`,
  );
}

/** @throws TransferKitError `bad-data` for what is not a list of at least 2 different labels */
export function checkLabels(labels: readonly string[]): void {
  checkAreLabels(labels);
  const repeated = [...new Set(labels.filter((label, index) => labels.indexOf(label) !== index))];
  if (new Set(labels).size < 2) {
    throw new TransferKitError(
      'bad-data',
      `classification needs at least 2 different labels.\n  Received: ${labels.length === 0 ? 'none' : listed(labels)}\n  Fix: add examples of another class; to tell one class from everything else, add examples labelled "other".`,
      { details: { labels } },
    );
  }
  if (repeated.length > 0) {
    throw new TransferKitError(
      'bad-data',
      `classification got the same label more than once: ${listed(repeated)}.\n  Fix: pass each label once, such as [...new Set(labels)].`,
      { details: { repeated } },
    );
  }
}

function unknownLabel(target: unknown, labels: readonly string[]): TransferKitError {
  const nearest = typeof target === 'string' ? nearestName(target, labels) : undefined;
  const shown = typeof target === 'string' ? `"${target}"` : `${String(target)} (${typeof target})`;
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new TransferKitError(
    'bad-data',
    `the label ${shown} is not one that this model knows.${hint}\n  Known: ${listed(labels)}\n  Fix: correct the label, leave the example out, or make the head with all labels of the data.`,
    { details: { label: target, labels, nearest } },
  );
}

/** One label as numbers: float32 [labels], 1 at the label. A vector and not an index, so that targets can be mixed or soft. */
export function oneHot(target: string, indices: ReadonlyMap<string, number>, labels: readonly string[]): EncodedArray {
  const index = indices.get(target);
  if (index === undefined) throw unknownLabel(target, labels);
  const values = new Float32Array(labels.length);
  values[index] = 1;
  return { shape: [labels.length], values };
}
