import type { ProgressDisplay, Runtime } from '../runtimes/runtime.js';
import type { TrainingEvent } from './events.js';

/** How far a run has come. */
export interface ProgressEvent {
  /** `features`: the frozen part is run once over the data. `training`: steps of a phase. */
  readonly stage: 'features' | 'training';
  /** Name of the phase: `head`, `fine-tune`. Empty while features are computed. */
  readonly phase: string;
  /** Items (features) or steps (training) done in this stage, and their number. */
  readonly done: number;
  readonly total: number;
  /** From 1; 0 while features are computed. */
  readonly epoch: number;
  /** Figures so far: loss, metrics of the head. */
  readonly figures: Readonly<Record<string, number>>;
  /** Estimated seconds until this stage is over; undefined while there is nothing to go by. */
  readonly secondsLeft: number | undefined;
}

const showFigures = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value < 0.001 ? value.toExponential(1) : value.toFixed(3)}`)
    .join('  ');

/** 48 s, 3 min 20 s, 2 h 5 min */
function showSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** An event of the training as progress; undefined for those that are none. */
export function progressOf(event: TrainingEvent): ProgressEvent | undefined {
  if (event.type === 'features')
    return { stage: 'features', phase: '', done: event.done, total: event.total, epoch: 0, figures: {}, secondsLeft: event.secondsLeft };
  if (event.type !== 'step') return undefined;
  const { phase, step, steps, epoch, figures, secondsLeft } = event;
  return { stage: 'training', phase, done: step, total: steps, epoch, figures, secondsLeft };
}

/** Shows progress to the person at the terminal. `stop` must be called at the end. */
export function progressBar(runtime: Runtime) {
  let display: ProgressDisplay | undefined;
  let title = '';
  const show = ({ stage, phase, done, total, epoch, figures, secondsLeft }: ProgressEvent): void => {
    const wanted = stage === 'features' ? 'features' : phase;
    if (wanted !== title) {
      display?.stop();
      display = runtime.progress(wanted);
      title = wanted;
    }
    const left = secondsLeft === undefined || done === total ? '' : `  ${showSeconds(secondsLeft)} left`;
    display?.update(done / total, `${epoch === 0 ? `${done}/${total}` : `epoch ${epoch}  ${showFigures(figures)}`}${left}`);
  };
  return { show, stop: () => display?.stop() };
}
