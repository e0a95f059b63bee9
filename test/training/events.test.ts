import { describe, expect, test } from 'vitest';
import { expectFailure } from 'transferkit/testing';
import { TransferKitError } from 'transferkit';
import { waitWhilePaused } from '../../src/training/control.js';
import { TrainingRun, type StepEvent, type TrainingEvent } from '../../src/training/events.js';

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

const step = (number: number, phase = 'head'): StepEvent => ({
  type: 'step',
  phase,
  epoch: 1,
  step: number,
  steps: 100,
  figures: { loss: 1 / number },
  rate: 1,
  secondsLeft: 1,
});

/** A loop of steps that obeys its control, as the real one does. */
const training = (steps: number, onStep: (number: number) => void = () => undefined) =>
  new TrainingRun(async (emit, control) => {
    for (let number = 1; number <= steps; number++) {
      await turn();
      await waitWhilePaused(control, emit);
      if (control.signal.aborted) return `aborted before ${number}`;
      onStep(number);
      emit(step(number));
    }
    return 'completed';
  });

describe('a run', () => {
  test('gives every event in order, and its result', async () => {
    const run = training(5);
    const seen: unknown[] = [];
    for await (const event of run) seen.push(event.type === 'step' ? event.step : event.type);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(await run.result).toBe('completed');
  });

  test('goes on when nobody reads', async () => {
    const run = training(3);
    expect(await run.result).toBe('completed');
    const late: TrainingEvent[] = [];
    for await (const event of run) late.push(event);
    expect(late).toHaveLength(3);
  });

  test.each(['break', 'throw'])('is aborted by leaving the loop with %s, and has ended then', async (way) => {
    let last = 0;
    const run = training(1000, (number) => (last = number));
    const loop = async () => {
      for await (const event of run) {
        if (event.type !== 'step' || event.step < 3) continue;
        if (way === 'break') break;
        throw new RangeError('mine');
      }
    };
    if (way === 'break') await loop();
    else await expect(loop()).rejects.toThrow('mine');
    const stopped = last;
    expect(run.state).toBe('aborted');
    await turn();
    expect(last).toBe(stopped);
    expect(await run.result).toMatch(/^aborted before/);
  });

  test('can be left while it is paused', async () => {
    const run = training(1000);
    for await (const event of run) {
      if (event.type === 'step') run.pause();
      if (event.type === 'paused') break;
    }
    expect(await run.result).toMatch(/^aborted before/);
  });

  test('pauses and goes on', async () => {
    const run = training(4);
    const seen: string[] = [];
    for await (const event of run) {
      seen.push(event.type);
      if (event.type === 'step' && event.step === 2) run.pause();
      if (event.type === 'paused') {
        expect(run.state).toBe('paused');
        await turn();
        run.resume();
      }
    }
    expect(seen.filter((type) => type !== 'step')).toEqual(['paused', 'resumed']);
    expect(seen).toHaveLength(6);
  });

  test('throws what the training threw out of the loop, behind its events', async () => {
    const fails = () =>
      new TrainingRun(async (emit) => {
        emit(step(1));
        await turn();
        throw new TransferKitError('diverged', 'the loss became NaN');
      });
    const seen: unknown[] = [];
    const run = fails();
    await expectFailure(
      async () => {
        for await (const event of run) seen.push(event);
      },
      'diverged',
      'NaN',
    );
    expect(seen).toHaveLength(1);
    // Nobody looks at this one: it must not bring the process down.
    fails();
    await turn();
    await turn();
    await expectFailure(() => fails().result, 'diverged');
  });

  test('throws at once when it could not even start', async () => {
    const run = new TrainingRun<never>(() => {
      throw new TransferKitError('bad-option', 'no such thing');
    });
    await expectFailure(() => run[Symbol.asyncIterator]().next(), 'bad-option', 'no such thing');
  });

  test('is read by one loop', async () => {
    const run = training(2);
    run[Symbol.asyncIterator]();
    await expectFailure(() => run[Symbol.asyncIterator](), 'bad-option', 'onEvent');
    await run.result;
  });

  test('answers readers that ask ahead', async () => {
    const iterator = training(2)[Symbol.asyncIterator]();
    const turns = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()]);
    expect(turns.map(({ done }) => done)).toEqual([false, false, true, true]);
    expect((await iterator.next()).done).toBe(true);
  });

  test('keeps epochs and the latest step where a reader is slow', async () => {
    const run = new TrainingRun(async (emit) => {
      for (let epoch = 1; epoch <= 50; epoch++) {
        for (let number = 1; number <= 1000; number++) emit(step(number, `epoch ${epoch}`));
        emit({ type: 'epoch', record: { phase: 'head', epoch, loss: 1, learningRate: 1, seconds: 1 } });
      }
    });
    await run.result;
    const seen: TrainingEvent[] = [];
    for await (const event of run) seen.push(event);
    expect(seen.length).toBeLessThan(1200);
    expect(seen.filter(({ type }) => type === 'epoch')).toHaveLength(50);
    expect(seen.at(-2)).toMatchObject({ step: 1000, phase: 'epoch 50' });
  });
});
