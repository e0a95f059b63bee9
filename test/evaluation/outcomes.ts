import type { Outcome } from '../../src/heads/head.js';

type ClassOutcome<Label extends string> = Outcome<Label, { label: Label; confidence: number; scores: Record<Label, number> }>;

/** An outcome of a classifier that is sure of one label. */
export function outcome<Label extends string>(labels: readonly Label[], target: Label, label: Label, loss = 1): ClassOutcome<Label> {
  const scores = Object.fromEntries(labels.map((name) => [name, name === label ? 1 : 0])) as Record<Label, number>;
  return { id: `${target} as ${label}`, target, prediction: { label, confidence: 1, scores }, loss, metrics: {} };
}

/** Outcomes from a confusion matrix: matrix[true][predicted]. */
export const outcomesOf = <Label extends string>(labels: readonly Label[], matrix: readonly (readonly number[])[]): ClassOutcome<Label>[] =>
  matrix.flatMap((row, truth) =>
    row.flatMap((count, guess) => Array.from({ length: count }, () => outcome(labels, labels[truth]!, labels[guess]!))),
  );
