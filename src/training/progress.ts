import type { ProgressDisplay, Runtime } from '../runtimes/runtime.js';

/** How far a run has come. */
export interface ProgressEvent {
  /** `features`: the frozen part is run once over the data. `training`: steps of a phase. `validation`: after an epoch. */
  readonly stage: 'features' | 'training' | 'validation';
  /** Name of the phase: `head`, `fine-tune`. */
  readonly phase: string;
  /** Items (features) or steps (training) done in this stage, and their number. */
  readonly done: number;
  readonly total: number;
  /** From 1; 0 while features are computed. */
  readonly epoch: number;
  /** Figures so far: loss, learning rate, metrics of the head. */
  readonly figures: Readonly<Record<string, number>>;
}

const show = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value < 0.001 ? value.toExponential(1) : value.toFixed(3)}`)
    .join('  ');

/** A function that tells both the caller and the person at the terminal. `stop` must be called at the end. */
export function progressReporter(runtime: Runtime, listener: ((event: ProgressEvent) => void) | undefined, visible: boolean) {
  let display: ProgressDisplay | undefined;
  let title = '';
  const report = (event: ProgressEvent): void => {
    listener?.(event);
    if (!visible) return;
    const wanted = event.stage === 'features' ? 'features' : event.phase;
    if (wanted !== title) {
      display?.stop();
      display = runtime.progress(wanted);
      title = wanted;
    }
    display?.update(
      event.done / event.total,
      event.epoch === 0 ? `${event.done}/${event.total}` : `epoch ${event.epoch}  ${show(event.figures)}`,
    );
  };
  return { report, stop: () => display?.stop() };
}
