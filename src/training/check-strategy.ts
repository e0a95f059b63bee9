import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import { checkSchedule } from './schedule.js';
import { strategies, type Stage, type Strategy, type StrategyName } from './strategy.js';

const members: Readonly<Record<keyof Stage, true>> = {
  name: true,
  unfreeze: true,
  adapter: true,
  solve: true,
  strength: true,
  epochs: true,
  batchSize: true,
  rates: true,
  schedule: true,
  weightDecay: true,
};

const bad = (message: string): TransferKitError => new TransferKitError('bad-option', message);

/** A strategy by its name, or one that was written out. @throws TransferKitError `unknown-name`, `bad-option` */
export function strategyOf(wanted: StrategyName | Strategy): Strategy {
  if (typeof wanted !== 'string') return checkStrategy(wanted);
  const make = Object.hasOwn(strategies, wanted) ? strategies[wanted] : undefined;
  if (make === undefined) throw unknownName('strategy', wanted, Object.keys(strategies));
  return make();
}

function checkStrategy(strategy: Strategy): Strategy {
  const stages: unknown = (strategy as Partial<Strategy> | null)?.stages;
  if (!Array.isArray(stages) || stages.length === 0 || typeof strategy.name !== 'string')
    throw bad(
      `strategy must be a name, or { name, stages } with one stage or more.\n  Received: ${JSON.stringify(strategy)}\n  Names: ${Object.keys(strategies).join(', ')}`,
    );
  strategy.stages.forEach(checkStage);
  const names = strategy.stages.map((stage) => stage.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw bad(`two stages of the strategy "${strategy.name}" are called "${twice}"; each needs a name of its own`);
  return strategy;
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1;
const isPositive = (value: unknown): boolean => typeof value === 'number' && value > 0 && Number.isFinite(value);

/** What each number of a stage must be; a member that is left out is fine. */
const rules: readonly (readonly [keyof Stage, (value: unknown) => boolean, string])[] = [
  ['name', (value) => typeof value === 'string' && value !== '', 'a word'],
  ['epochs', isCount, 'a whole number from 1 on'],
  ['batchSize', isCount, 'a whole number from 1 on'],
  ['weightDecay', (value) => value === 0 || isPositive(value), '0 or more'],
  ['adapter', (value) => typeof value === 'boolean', 'true or false'],
  ['solve', (value) => value === 'logistic-regression' || value === 'nearest-centroid', '"logistic-regression" or "nearest-centroid"'],
  ['strength', (value) => value === 'auto' || isPositive(value), '"auto" or a positive number'],
];

function checkStage(stage: Stage, index: number): void {
  const unknown = Object.keys(stage).find((name) => !(name in members));
  if (unknown !== undefined) throw unknownName('member of a stage', unknown, Object.keys(members));
  if (stage.name === undefined || stage.unfreeze === undefined)
    throw bad(`stage ${index + 1} of the strategy must have a name and say what to unfreeze.\n  Received: ${JSON.stringify(stage)}`);
  for (const [name, fits, expected] of rules) {
    const value = stage[name];
    if (value !== undefined && !fits(value))
      throw bad(`${name} of stage "${stage.name}" must be ${expected}.\n  Received: ${JSON.stringify(value)}`);
  }
  if (stage.schedule !== undefined) checkSchedule(stage.schedule);
  for (const [name, rate] of Object.entries(stage.rates ?? {})) {
    if (!['head', 'base', 'adapter', 'layerDecay', 'from', 'to'].includes(name))
      throw unknownName('rate of a stage', name, ['head', 'base', 'adapter', 'layerDecay', 'from', 'to']);
    if (!isPositive(rate)) throw bad(`rates.${name} of stage "${stage.name}" must be a positive number.\n  Received: ${String(rate)}`);
  }
  if (stage.rates !== undefined && 'from' in stage.rates !== 'to' in stage.rates)
    throw bad(`rates of stage "${stage.name}" need both from and to.\n  Received: ${JSON.stringify(stage.rates)}`);
}
