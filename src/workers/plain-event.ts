import type { TrainingEvent } from '../training/events.js';
import type { TrainingPlan } from '../training/plan.js';

/** A plan without its function. */
export type PlainPlan = Omit<TrainingPlan, 'describe'>;

/** An event of a training as it crosses between threads. */
export type PlainEvent = Exclude<TrainingEvent, { readonly type: 'plan' }> | { readonly type: 'plan'; readonly plan: PlainPlan };

export const toPlainPlan = ({ describe: _describe, ...plan }: TrainingPlan): PlainPlan => plan;

/** @param reason a decision that was taken before the worker was asked; it comes first */
export function fromPlainPlan(plan: PlainPlan, reason: string | undefined): TrainingPlan {
  const decisions = reason === undefined ? plan.decisions : [reason, ...plan.decisions];
  return { ...plan, decisions, describe: () => ['Training plan', ...decisions.map((decision) => `  - ${decision}`)].join('\n') };
}

export const toPlainEvent = (event: TrainingEvent): PlainEvent =>
  event.type === 'plan' ? { type: 'plan', plan: toPlainPlan(event.plan) } : event;

export const fromPlainEvent = (event: PlainEvent, reason: string | undefined): TrainingEvent =>
  event.type === 'plan' ? { type: 'plan', plan: fromPlainPlan(event.plan, reason) } : event;
