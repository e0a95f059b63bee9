import type { BatchFigures } from './step.js';

/** Sums of figures over batches, as plain data. */
export interface FigureSums {
  readonly examples: number;
  readonly sums: readonly number[];
}

/** Sums of figures over batches, read as averages. */
export class Averages {
  #examples: number;
  readonly #sums: number[];

  /** @param names `loss`, then the head's metrics */
  constructor(
    readonly names: readonly string[],
    start: FigureSums = { examples: 0, sums: [] },
  ) {
    this.#examples = start.examples;
    this.#sums = [...start.sums];
  }

  add(figures: BatchFigures, examples: number): void {
    this.#examples += examples;
    [figures.loss, ...figures.metrics].forEach((value, index) => (this.#sums[index] = (this.#sums[index] ?? 0) + value));
  }

  read(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, index) => [name, (this.#sums[index] ?? Number.NaN) / this.#examples]));
  }

  state(): FigureSums {
    return { examples: this.#examples, sums: [...this.#sums] };
  }
}
