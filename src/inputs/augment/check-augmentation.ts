import { TransferKitError } from '../../errors.js';
import type { Modality } from '../input.js';
import { imageAugmentation } from './image-augmentation.js';
import type { InputAugmentation } from './recipe.js';
import { textAugmentation } from './text-augmentation.js';

/** How the augmentation of each modality is checked, and the function that makes one. */
const kinds = {
  image: { check: imageAugmentation, factory: 'imageAugmentation(...)', what: 'photos' },
  text: { check: textAugmentation, factory: 'textAugmentation(...)', what: 'texts' },
} as const;

function wrongKind(kind: unknown, wanted: Modality): TransferKitError {
  const received = kind === 'image' || kind === 'text' ? `an augmentation of ${kinds[kind].what} (kind "${kind}")` : `kind ${String(kind)}`;
  return new TransferKitError(
    'bad-option',
    `the network takes ${kinds[wanted].what}.\n  Expected: an augmentation of kind "${wanted}"\n  Received: ${received}\n  Fix: make it with ${kinds[wanted].factory}.`,
    { details: { expected: wanted, received: kind } },
  );
}

/**
 * An augmentation that a caller wrote or that was saved, checked and frozen.
 * @param modality what it is to change
 * @throws TransferKitError `bad-option` for another modality's, and naming the member that is wrong
 */
export function checkAugmentation(augmentation: InputAugmentation, modality: Modality): InputAugmentation {
  const kind: unknown = typeof augmentation === 'object' && augmentation !== null ? augmentation.kind : augmentation;
  if (kind !== modality) throw wrongKind(kind, modality);
  const check: (options: never) => InputAugmentation = kinds[modality].check;
  return check(augmentation as never);
}
