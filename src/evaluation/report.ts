/** The verdict on a model over a data set. Each task has its own, and all can be shown, stored and compared. */
export interface Report {
  /** Headline figures by name, `loss` among them. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Number of examples judged. */
  readonly count: number;
  /** A table fit for a terminal. */
  summary(): string;
  /** Everything, as plain JSON data. */
  toJSON(): Record<string, unknown>;
}
