import type { TrainingEvent, UntimedEvent } from './events.js';
import { TimeLeft } from './time-left.js';

/** Adds to events how fast the run is and how long it will take. */
export class EventClock {
  #pace: TimeLeft | undefined;
  #done = 0;

  /** The event, with its times. */
  add(event: UntimedEvent): TrainingEvent {
    switch (event.type) {
      case 'phase':
        this.#pace = new TimeLeft(event.steps - event.done, event.epochs);
        return event;
      case 'features': {
        if (this.#pace === undefined || event.done <= this.#done) this.#pace = new TimeLeft(event.total);
        const { secondsLeft } = this.#pace.step(Math.max(1, event.done - this.#done));
        this.#done = event.done === event.total ? 0 : event.done;
        return { ...event, secondsLeft };
      }
      case 'step':
        return { ...event, ...this.#pace!.step() };
      case 'epoch':
        this.#pace?.epoch();
        return event;
      default:
        if (event.type === 'resumed' || event.type === 'checkpoint') this.#pace?.skip();
        return event;
    }
  }
}
