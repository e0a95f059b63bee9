import { checkOptions } from '../data/check-options.js';
import { nearestName } from '../common/nearest-name.js';
import { TransferKitError } from '../errors.js';

/** Which optimiser moves the weights, as plain data. Members that are left out have the defaults of its paper. */
export type OptimizerRecipe =
  | { readonly name: 'adamw'; readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number }
  | { readonly name: 'sgd'; readonly momentum?: number; readonly nesterov?: boolean }
  | { readonly name: 'lion'; readonly beta1?: number; readonly beta2?: number }
  | {
      readonly name: 'adafactor';
      readonly beta2Decay?: number;
      readonly epsilon1?: number;
      readonly epsilon2?: number;
      readonly clip?: number;
    };

export type OptimizerName = OptimizerRecipe['name'];

/** What a member may be, in words and as a test. */
type Range = readonly [expected: string, fits: (value: unknown) => boolean];

const number = (expected: string, fits: (value: number) => boolean): Range => [
  expected,
  (value) => typeof value === 'number' && Number.isFinite(value) && fits(value),
];
const share = number('from 0 to below 1', (value) => value >= 0 && value < 1);
const positive = number('above 0', (value) => value > 0);
const flag: Range = ['true or false', (value) => typeof value === 'boolean'];

const members: Readonly<Record<OptimizerName, Readonly<Record<string, Range>>>> = {
  adamw: { beta1: share, beta2: share, epsilon: positive },
  sgd: { momentum: share, nesterov: flag },
  lion: { beta1: share, beta2: share },
  adafactor: {
    beta2Decay: number('below 0', (value) => value < 0),
    epsilon1: positive,
    epsilon2: positive,
    clip: number('1 or more', (value) => value >= 1),
  },
};

export const optimizerNames = Object.keys(members) as readonly OptimizerName[];

/**
 * Where each optimiser's rate and decay lie beside AdamW's: a place to start from, when the caller names an optimiser and no rate.
 * Lion moves every entry by the whole rate, so its paper divides the rate and multiplies the decay; SGD's moves are as long as the
 * gradient, which clipping holds at 1; Adafactor's rates are relative to the weight.
 */
export const besideAdamw: Readonly<Record<OptimizerName, { readonly rate: number; readonly decay: number }>> = {
  adamw: { rate: 1, decay: 1 },
  sgd: { rate: 30, decay: 1 / 30 },
  lion: { rate: 1 / 5, decay: 5 },
  adafactor: { rate: 10, decay: 1 / 10 },
};

const refused = (message: string, details: Readonly<Record<string, unknown>>): TransferKitError =>
  new TransferKitError('bad-option', message, { details });

/**
 * @throws TransferKitError `bad-option` for an optimiser or a member that does not exist, or a value out of range
 */
export function checkOptimizer(recipe: OptimizerRecipe): void {
  const { name, ...given }: { readonly name?: unknown; readonly [member: string]: unknown } = { ...recipe };
  const known = optimizerNames.find((one) => one === name);
  if (known === undefined) {
    const nearest = typeof name === 'string' ? nearestName(name, optimizerNames) : undefined;
    const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    throw refused(`there is no optimiser "${String(name)}".${hint}\n  Known: ${optimizerNames.join(', ')}`, { known: optimizerNames });
  }
  checkOptions(`optimizer { name: '${known}' }`, given, Object.keys(members[known]));
  for (const [member, value] of Object.entries(given)) {
    const [expected, fits] = members[known][member]!;
    if (value !== undefined && !fits(value))
      throw refused(`optimizer.${member} of ${known} must be ${expected}.\n  Received: ${JSON.stringify(value)}`, { member, value });
  }
  if (given['nesterov'] === true && given['momentum'] === 0)
    throw refused(
      'optimizer.nesterov needs momentum.\n  Received: momentum 0\n  Fix: leave nesterov out, or give a momentum such as 0.9.',
      {
        member: 'nesterov',
      },
    );
}
