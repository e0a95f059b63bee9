import type { PhasePlan, PlanFacts, TrainingPlan } from './plan.js';

const plural = (count: number, noun: string): string => `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;

/** A rate as a person writes it: 0.001, 0.00005. */
const rate = (value: number): string => String(Number(value.toPrecision(3)));

const schedules = {
  constant: 'constant',
  linear: 'falling linearly',
  cosine: 'falling as a cosine',
  'one-cycle': 'one cycle up and down',
} as const;

function whatLearns({ learns, adapter }: PhasePlan, names: readonly string[]): string {
  const learning = names.filter((_, index) => learns[index]);
  const parts = ['the head', ...(adapter ? ['the adapter'] : [])];
  if (learning.length === 0) return adapter ? parts.join(' and ') : 'the head alone';
  parts.push(learning.length === names.length ? 'the whole base' : learning.join(', '));
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

function ratesWords({ rates, learns, adapter }: PhasePlan): string {
  const groups = rates.groups.filter((_, index) => learns[index]);
  const lowest = Math.min(...groups);
  const base = lowest === rates.base ? rate(rates.base) : `${rate(rates.base)} falling to ${rate(lowest)} towards the input`;
  const parts = [...(adapter ? [`${rate(rates.adapter)} (adapter)`] : []), ...(groups.length > 0 ? [`${base} (base)`] : [])];
  return parts.length === 0 ? rate(rates.head) : [`${rate(rates.head)} (head)`, ...parts].join(', ');
}

function phaseWords(phase: PhasePlan, { optimizer }: Pick<TrainingPlan, 'optimizer'>, names: readonly string[]): string {
  const { name, solve, epochs, batchSize, weightDecay, schedule } = phase;
  if (solve?.solver === 'nearest-centroid') return `${name}: the head takes the mean of each class, in closed form`;
  if (solve !== null) {
    const strength = solve.strength === 'auto' ? 'penalty chosen by cross-validation' : `C = ${solve.strength}`;
    return `${name}: the head is fitted at once as a logistic regression (L-BFGS, ${strength})`;
  }
  const climb = schedule.warmup > 0 && schedule.kind !== 'one-cycle' ? 'warm-up, then ' : '';
  return (
    `${name}: ${whatLearns(phase, names)} for up to ${plural(epochs, 'epoch')}, ${batchSize} examples a step, ` +
    `${optimizerNames[optimizer.name]} with peak rate ${ratesWords(phase)} and decay ${weightDecay}, ${climb}${schedules[schedule.kind]}`
  );
}

const optimizerNames = { adamw: 'AdamW', sgd: 'SGD', lion: 'Lion', adafactor: 'Adafactor' } as const;

function cacheWords(
  { phases, views, cacheBytes, augment }: Omit<TrainingPlan, 'decisions' | 'describe'>,
  { base, head }: PlanFacts,
): string {
  if (head.corrupt !== undefined) return `the head "${head.name}" changes its inputs anew each time, so the whole base runs at every step`;
  const names = base.groups.map((group) => group.name);
  const first = Math.min(...phases.map(({ firstGroup }) => firstGroup));
  if (first === 0) return 'the whole base learns at some point, so it runs at every step of that stage';
  const cut =
    first === names.length
      ? 'the base is frozen: it'
      : `${first === 1 ? names[0] : `${names[0]} to ${names[first - 1]}`} are frozen: this part`;
  const runs = views === 0 ? 'runs once per example' : `runs once for each of ${views} augmented views of an example`;
  const drawn = augment !== null && views > 0 ? ' (a fresh view each epoch would run it each time)' : '';
  return `${cut} ${runs}${drawn} and its outputs are cached (${Math.round(cacheBytes / 2 ** 20)} MiB of memory); only what is behind trains`;
}

/** Sentences on what the caller asked for beside the strategy. */
function extras(plan: Omit<TrainingPlan, 'decisions' | 'describe'>): string[] {
  const { augment, mix, classWeights, labelSmoothing, focalGamma, sampling, ema, averageBest, accumulate } = plan;
  const words: (string | false)[] = [
    augment !== null &&
      `training inputs are changed at random: ${Object.keys(augment)
        .filter((name) => name !== 'kind')
        .join(', ')}`,
    mix !== null &&
      `examples of a batch are mixed (${Object.entries(mix)
        .map(([name, alpha]) => `${name} ${alpha}`)
        .join(', ')})${plan.phases.every(({ firstGroup }) => firstGroup > 0) ? ', as features: the frozen part never sees a mixture' : ''}`,
    sampling === 'balanced' && 'every class is drawn alike often',
    classWeights === 'balanced' && 'rare classes weigh more in the loss (balanced)',
    typeof classWeights === 'object' && classWeights !== null && `class weights ${JSON.stringify(classWeights)}`,
    labelSmoothing > 0 && `label smoothing ${labelSmoothing}`,
    focalGamma > 0 && `focal loss with gamma ${focalGamma}`,
    accumulate > 1 && `gradients of ${accumulate} steps are averaged before the weights move`,
    ema !== null && `a moving average of the weights (decay ${ema}) is judged and kept`,
    averageBest > 1 && `the weights of the best ${averageBest} epochs are averaged`,
  ];
  return words.filter((word) => word !== false);
}

/** Each decision of a plan in plain words. */
export function decisionsFor(plan: Omit<TrainingPlan, 'decisions' | 'describe'>, facts: PlanFacts, strategyReason: string): string[] {
  const { phases, earlyStopping } = plan;
  const names = facts.base.groups.map((group) => group.name);
  const words = [
    ...(facts.baseReason === undefined ? [] : [facts.baseReason]),
    `${plural(facts.train, 'training example')}, ${plural(facts.validation, 'validation example')}: ${facts.validationReason}`,
    strategyReason,
    cacheWords(plan, facts),
    ...phases.map((phase) => phaseWords(phase, plan, names)),
  ];
  if (phases.some(({ learns }) => learns.includes(true)))
    words.push(
      plan.normalization === 'inference'
        ? 'normalisation keeps the statistics of the checkpoint'
        : 'normalisation of learning groups uses and updates batch statistics: those of each part, where a batch does not fit into memory and is computed in parts',
    );
  if (phases.length > 1) words.push('the head is trained first, so that its random start does not damage the pretrained layers');
  if (phases.some(({ solve }) => solve === null))
    words.push(
      earlyStopping === null
        ? 'no early stopping: every epoch runs and the last weights are kept'
        : `stops a phase after ${plural(earlyStopping.patience, 'epoch')} without a better validation ${earlyStopping.monitor}, and restores the best weights`,
    );
  if (facts.adapterWords !== undefined) words.push(`adapter: ${facts.adapterWords}`);
  if (facts.head.corrupt !== undefined && (facts.options.workers ?? 0) > 0)
    words.push('workers are not started: what the head changes is drawn in this thread, and nothing is computed ahead');
  return [...words, ...extras(plan)];
}
