/** The learning rate over a phase, as a fraction of its peak: 0 to 1. */
export interface Schedule {
  /** Share of the steps in which the rate climbs from 0 to its peak. */
  readonly warmup: number;
  /** Share of the peak at the last step. */
  readonly floor: number;
}

/**
 * Linear warm-up, then half a cosine down to the floor.
 * @param step 0 to `steps - 1`
 * @source Loshchilov and Hutter, SGDR, 2017 (without restarts)
 */
export function cosineWithWarmup(step: number, steps: number, { warmup, floor }: Schedule): number {
  const climb = Math.min(steps - 1, Math.round(warmup * steps));
  if (step < climb) return (step + 1) / (climb + 1);
  const progress = (step - climb) / Math.max(1, steps - climb);
  return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
