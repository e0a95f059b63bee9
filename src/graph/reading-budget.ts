import { TransferKitError } from '../errors.js';

/**
 * Most nodes, names and sizes that are taken from one file: 20 times what the largest published models have. An empty node takes two
 * bytes of a file and a hundred of memory, which a hostile file could ask for; this keeps it under a quarter of a gigabyte.
 */
const maxItems = 1_000_000;

/** What reading one file may still allocate, and what it has come upon. */
export interface ReadingBudget {
  /** Counts items that are kept. @throws TransferKitError `too-large` past the cap. */
  spend(items?: number): void;
  /** Names of files that hold weights. */
  readonly externalFiles: Set<string>;
}

/** A fresh budget. */
export function startBudget(limit = maxItems): ReadingBudget {
  let left = limit;
  return {
    externalFiles: new Set(),
    spend: (items = 1) => {
      left -= items;
      if (left < 0) throw tooMany(limit);
    },
  };
}

function tooMany(limit: number): TransferKitError {
  return new TransferKitError(
    'too-large',
    `this ONNX file has too many parts.\n  expected: at most ${limit} nodes, names and sizes\n  received: more\n` +
      '  Fix: check where the file comes from; no published model is near this.',
    { details: { limit } },
  );
}
