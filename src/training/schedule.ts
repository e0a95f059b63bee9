import { nearestName } from '../common/nearest-name.js';
import { checkOptions } from '../data/check-options.js';
import { TransferKitError } from '../errors.js';

/** How the learning rate runs over a stage, as plain data. Rates are fractions of the stage's peak. */
export interface ScheduleRecipe {
  /**
   * After the climb: `constant` stays at the peak, `linear` and `cosine` fall to `floor`. `one-cycle` climbs along a cosine from
   * `peak / 25`, falls along a cosine to `peak / 100000`, and moves momentum the other way.
   */
  readonly kind: 'constant' | 'linear' | 'cosine' | 'one-cycle';
  /** Share of the steps in which the rate climbs to its peak, 0 up to 1. */
  readonly warmup: number;
  /** Share of the peak that is left at the end, for `linear` and `cosine`. Default 0. */
  readonly floor?: number;
}

/** Settings of one step. */
export interface ScheduledStep {
  /** Rate as a fraction of the peak. */
  readonly rate: number;
  /** Momentum (beta 1), for schedules that move it. */
  readonly momentum?: number;
}

/** Where a step lies: `climb` from 0 to 1 in the warm-up, then `fall` from 0 towards 1; the other is undefined. */
type Place = { readonly climb: number; readonly fall?: undefined } | { readonly climb?: undefined; readonly fall: number };

/**
 * Warm-up in whole steps: the first step has a rate above 0, so that none is lost, and at least one step has the peak. Where
 * transformers starts at 0 and climbs by `1 / warmup`, this climbs by `1 / (warmup + 1)`; behind the warm-up both are alike.
 */
function placeOf(step: number, steps: number, warmup: number): Place {
  const climb = Math.min(steps - 1, Math.round(warmup * steps));
  return step < climb ? { climb: (step + 1) / (climb + 1) } : { fall: (step - climb) / Math.max(1, steps - climb) };
}

/** From one number to another along half a cosine. */
const along = (from: number, to: number, progress: number): number => from + (to - from) * 0.5 * (1 - Math.cos(Math.PI * progress));

/** A linear climb, then what `after` says of the way behind it. */
const climbThen =
  (after: (fall: number, floor: number) => number) =>
  ({ warmup, floor = 0 }: ScheduleRecipe, step: number, steps: number): ScheduledStep => {
    const { climb, fall } = placeOf(step, steps, warmup);
    return { rate: climb ?? after(fall, floor) };
  };

/** fastai's `fit_one_cycle`: places are shares of the run, so the peak and the end may lie between two steps. */
function oneCycle({ warmup }: ScheduleRecipe, step: number, steps: number): ScheduledStep {
  const place = step / steps;
  if (place < warmup) return { rate: along(1 / 25, 1, place / warmup), momentum: along(0.95, 0.85, place / warmup) };
  const fall = (place - warmup) / (1 - warmup);
  return { rate: along(1, 1e-5, fall), momentum: along(0.85, 0.95, fall) };
}

const kinds: Readonly<Record<ScheduleRecipe['kind'], (recipe: ScheduleRecipe, step: number, steps: number) => ScheduledStep>> = {
  constant: climbThen(() => 1),
  linear: climbThen((fall, floor) => floor + (1 - floor) * (1 - fall)),
  cosine: climbThen((fall, floor) => floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * fall))),
  'one-cycle': oneCycle,
};

/**
 * The settings of a step.
 * @param step 0 to `steps - 1`
 * @source Loshchilov and Hutter, SGDR, 2017 (cosine, without restarts); Smith, A disciplined approach to neural network
 *   hyper-parameters, 2018 (one-cycle, with fastai's numbers)
 */
export const scheduledStep = (recipe: ScheduleRecipe, step: number, steps: number): ScheduledStep =>
  kinds[recipe.kind](recipe, step, steps);

const refused = (message: string, member: string): TransferKitError => new TransferKitError('bad-option', message, { details: { member } });

/** @throws TransferKitError `bad-option` for a kind or a member that does not exist, or a value out of range */
export function checkSchedule(recipe: ScheduleRecipe): void {
  checkOptions('schedule', recipe, ['kind', 'warmup', 'floor']);
  const { kind, warmup, floor } = recipe;
  const names = Object.keys(kinds);
  if (!names.includes(kind)) {
    const nearest = typeof kind === 'string' ? nearestName(kind, names) : undefined;
    throw refused(
      `there is no schedule "${kind}".${nearest === undefined ? '' : ` Did you mean "${nearest}"?`}\n  Known: ${names.join(', ')}`,
      'kind',
    );
  }
  if (!(typeof warmup === 'number' && warmup >= 0 && warmup < 1))
    throw refused(`schedule.warmup must be a share of the steps, from 0 to below 1.\n  Received: ${String(warmup)}`, 'warmup');
  if (floor === undefined) return;
  if (kind !== 'linear' && kind !== 'cosine')
    throw refused(
      `schedule.floor means nothing to the schedule "${kind}".\n  Expected: linear or cosine\n  Fix: leave floor out.`,
      'floor',
    );
  if (!(typeof floor === 'number' && floor >= 0 && floor <= 1))
    throw refused(`schedule.floor must be a share of the peak, from 0 to 1.\n  Received: ${String(floor)}`, 'floor');
}
