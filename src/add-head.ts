import type { Base } from './base.js';
import { TransferKitError } from './errors.js';
import type { Report } from './evaluation/report.js';
import type { Head } from './heads/head.js';
import type { Modality } from './inputs/input.js';
import { Model } from './model.js';

/** Options of `addHead`. */
export interface AddHeadOptions {
  /** Seed of the head's initial weights. Default 42. */
  readonly seed?: number;
}

/**
 * Puts a head on a base: the result predicts, and can be trained, evaluated and saved.
 *
 * The model looks after the base from now on: disposing the last model on a base disposes the base too.
 *
 * @throws TransferKitError `unsupported` when the base lacks a feature that the head takes; `disposed`
 * @example
 * ```ts
 * import { addHead, classification, loadPretrained } from 'transferkit';
 *
 * const base = await loadPretrained('./mobilenet-v2');
 * const model = addHead(base, classification(['cat', 'dog'])); // Model<'image', 'cat' | 'dog'>
 * ```
 */
export function addHead<M extends Modality, Target, Prediction, R extends Report, B extends number>(
  base: Base<M>,
  head: Head<Target, Prediction, R, B>,
  options: AddHeadOptions = {},
): Model<M, Target, Prediction, R, B> {
  base.assertUsable();
  if (head?.apiVersion !== 1)
    throw new TransferKitError('bad-option', `addHead needs a head such as classification(labels).\n  Received: ${typeof head}`);
  const shapes = Array.from({ length: head.branches }, () => head.takes.map((name) => base.feature(name).shape.slice(1))).flat();
  const { embedding } = base.parts.built;
  return new Model(base, head, head.build({ shapes, seed: options.seed ?? 42, ...(embedding === undefined ? {} : { embedding }) }));
}
