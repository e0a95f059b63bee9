import { TransferKitError } from '../errors.js';
import type { FineTuneOptions } from './options.js';
import type { PhasePlan } from './phases.js';
import type { Strategy } from './strategy.js';

/** What an option needs of a strategy, to mean anything. */
interface Need {
  readonly name: string;
  readonly given: unknown;
  readonly met: boolean;
  /** The stage that it speaks of. */
  readonly expected: string;
  readonly fix: string;
}

/**
 * An option that speaks of a part which no stage trains that way would be ignored: it is refused.
 * @param phases one for each stage, those of no epochs included
 * @throws TransferKitError `bad-option`
 */
export function checkStages({ name, stages }: Strategy, phases: readonly PhasePlan[], options: FineTuneOptions): void {
  const rates = typeof options.learningRate === 'object' ? options.learningRate : {};
  const ownRate = phases.filter((_, index) => !('from' in (stages[index]!.rates ?? {}))); // a spread goes by the rate of the head
  const needs: readonly Need[] = [
    {
      name: 'headEpochs',
      given: options.headEpochs,
      met: phases.some(({ learns, adapter, solve }) => solve === null && !adapter && !learns.includes(true)),
      expected: 'a stage that trains the head alone step by step',
      fix: 'leave it out, or take a strategy with such a stage, for example "all"',
    },
    {
      name: 'adapter',
      given: options.adapter,
      met: phases.some(({ adapter }) => adapter),
      expected: 'a stage that trains the adapter',
      fix: 'leave it out, or leave strategy out, or give one of its stages adapter: true',
    },
    {
      name: 'learningRate.adapter',
      given: rates.adapter,
      met: ownRate.some(({ adapter }) => adapter),
      expected: 'a stage that trains an adapter at a rate of its own',
      fix: 'leave it out, or pass adapter: lora()',
    },
    {
      name: 'learningRate.base',
      given: rates.base,
      met: ownRate.some(({ learns }) => learns.includes(true)),
      expected: 'a stage that trains layers of the base at a rate of their own',
      fix: 'leave it out, or pass unfreeze, for example { last: 1 }',
    },
  ];
  const unmet = needs.find(({ given, met }) => given !== undefined && !met);
  if (unmet !== undefined) throw meansNothing(unmet, name, phases);
}

function meansNothing({ name, given, expected, fix }: Need, strategy: string, phases: readonly PhasePlan[]): TransferKitError {
  const stages = phases.map((phase) => `${phase.name} (${trains(phase)})`).join(', ');
  return new TransferKitError(
    'bad-option',
    `${name} means nothing to the strategy "${strategy}".
  Expected: ${expected}
  Received: ${name} ${JSON.stringify(given)} for the stages ${stages}
  Fix: ${fix}.`,
    { details: { option: name, strategy } },
  );
}

/** What a stage trains, in a few words. */
function trains({ learns, adapter, solve }: PhasePlan): string {
  if (solve !== null) return 'the head, fitted at once';
  if (adapter) return 'head and adapter';
  return learns.includes(true) ? 'head and base' : 'the head alone';
}
