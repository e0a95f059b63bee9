/** Checkpoints, control, events and logs of `fineTune` itself, in one process. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fineTune, runtime, TrainingControl, type TrainingEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { expectFailure, expectNoLeaks, tinyModel, tinySamples } from 'transferkit/testing';

await runtime.chooseBackend('cpu');

const data = tinySamples(bert);
const options = { unfreeze: { last: 1 }, headEpochs: 3, epochs: 3, batchSize: 4, validation: 0, progress: false, cache: false } as const;

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-control-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Trains a model of its own; gives the losses of the epochs and all events. */
async function trained(more: object = {}) {
  const model = await tinyModel(bert, runtime);
  onTestFinished(() => model.dispose());
  const events: TrainingEvent[] = [];
  const onEvent = (event: TrainingEvent): void => void events.push(event);
  const { history } = await fineTune(model, data as never, { ...options, onEvent, ...more });
  const weights: number[] = [];
  for (const weight of model.weights().values()) weights.push(...(await weight.read().data()));
  return { model, events, weights, history, losses: history.epochs.map(({ loss }) => loss) };
}

describe('a checkpoint of a run that was aborted', () => {
  test('continues with the base loaded again, to the same end', async () => {
    const expected = await trained();
    const checkpoint = { directory: join(temporary(), 'run'), everySteps: 1 };
    const control = new TrainingControl();
    let steps = 0;
    const onEvent = ({ type }: TrainingEvent): void => void (type === 'step' && ++steps === 8 && control.abort());
    const aborted = await trained({ checkpoint, control, onEvent });
    expect(aborted.history.ended).toBe('aborted');
    await expectFailure(
      () => fineTune(aborted.model, data as never, { ...options, checkpoint }),
      'bad-option',
      'base.weights.sha256',
      'must be loaded again',
    );
    const continued = await trained({ checkpoint });
    expect(continued.events.map(({ type }) => type)).toContain('continued');
    expect(continued.losses).toEqual(expected.losses);
    expect(continued.weights).toEqual(expected.weights);
    const finished = await trained({ checkpoint });
    expect(finished.events.map(({ type }) => type)).toEqual(['plan', 'continued', 'end']);
    expect(finished.weights).toEqual(expected.weights);
    expect(finished.history).toEqual(continued.history);
    expect(readdirSync(checkpoint.directory)).toContain('final');
  });

  /** When the run is aborted, told by one of its events, and what it leaves to be done. */
  const endings: readonly [string, (event: TrainingEvent) => boolean, number][] = [
    ["the head's second epoch", (event) => event.type === 'epoch' && event.record.phase === 'head' && event.record.epoch === 2, 8],
    ["the head's last epoch", (event) => event.type === 'epoch' && event.record.phase === 'head' && event.record.epoch === 3, 6],
    ['the very last epoch', (event) => event.type === 'epoch' && event.record.phase === 'fine-tune' && event.record.epoch === 3, 0],
  ];
  const kinds = [
    ['', {}],
    [', with averages and early stopping', { validation: 0.25, ema: 0.9, averageBest: 2, accumulate: 3, earlyStopping: { patience: 9 } }],
  ] as const;
  test.each(kinds.flatMap(([words, more]) => endings.map(([when, isEnd, left]) => [when, words, isEnd, left, more] as const)))(
    'is written at the end of %s, though none was due%s',
    async (_when, _words, isEnd, left, more) => {
      const expected = await trained(more);
      const checkpoint = { directory: join(temporary(), 'run'), everySteps: 1000 };
      const control = new TrainingControl();
      const seen: TrainingEvent[] = [];
      const onEvent = (event: TrainingEvent): void => {
        seen.push(event);
        if (isEnd(event)) control.abort();
      };
      const aborted = await trained({ ...more, checkpoint, control, onEvent });
      expect(aborted.history.ended).toBe('aborted');
      expect(seen.map(({ type }) => type).slice(-3)).toEqual(['epoch', 'checkpoint', 'end']);
      expect(seen.filter(({ type }) => type === 'checkpoint')).toHaveLength(1);
      const continued = await trained({ ...more, checkpoint });
      const steps = continued.events.filter(({ type }) => type === 'step');
      expect(steps).toHaveLength(left);
      expect(continued.history.ended).toBe('completed');
      expect(continued.losses).toEqual(expected.losses);
      expect(continued.weights).toEqual(expected.weights);
    },
  );

  test('is written where a head that is fitted at once is aborted, behind a stage that had ended', async () => {
    const stages = [
      { name: 'steps', unfreeze: { last: 1 }, epochs: 2 },
      { name: 'probe', unfreeze: 'none', solve: 'logistic-regression' },
    ] as const;
    const more = { unfreeze: undefined, headEpochs: undefined, epochs: undefined, strategy: { name: 'mine', stages } };
    const expected = await trained(more);
    const checkpoint = { directory: join(temporary(), 'run'), everySteps: 1000 };
    const control = new TrainingControl();
    const onEvent = (event: TrainingEvent): void => void (event.type === 'phase' && event.phase === 'probe' && control.abort());
    expect((await trained({ ...more, checkpoint, control, onEvent })).history.ended).toBe('aborted');
    const continued = await trained({ ...more, checkpoint });
    expect(continued.events.map(({ type }) => type)).not.toContain('step');
    expect(continued.losses).toEqual(expected.losses);
    expect(continued.weights).toEqual(expected.weights);
  });

  test('is started over where that is wanted', async () => {
    const directory = join(temporary(), 'run');
    await trained({ checkpoint: directory });
    const anew = await trained({ checkpoint: { directory, resume: false }, epochs: 1 });
    expect(anew.events.map(({ type }) => type)).not.toContain('continued');
    expect(anew.losses).toHaveLength(4);
  });

  test('belongs to one training at a time', async () => {
    const checkpoint = join(temporary(), 'run');
    const control = new TrainingControl();
    control.pause();
    const first = trained({ checkpoint, control });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await expectFailure(() => trained({ checkpoint }), 'bad-option', 'is in use by process');
    control.resume();
    expect((await first).history.ended).toBe('completed');
  });

  test('leaves no tensors behind', async () => {
    const checkpoint = { directory: join(temporary(), 'run'), everySteps: 1 };
    await expectNoLeaks(async () => {
      for (const stopAt of [7, 100]) {
        const model = await tinyModel(bert, runtime);
        const control = new TrainingControl();
        let steps = 0;
        const onEvent = ({ type }: TrainingEvent): void => void (type === 'step' && ++steps === stopAt && control.abort());
        await fineTune(model, data as never, { ...options, ema: 0.9, averageBest: 2, checkpoint, control, onEvent });
        model.dispose();
      }
    });
  });
});

describe('control', () => {
  test('a pause changes nothing but the time; another training goes on meanwhile', async () => {
    const expected = await trained();
    const control = new TrainingControl();
    let steps = 0;
    const seen: string[] = [];
    const onEvent = ({ type }: TrainingEvent): void => {
      seen.push(type);
      if (type === 'step' && ++steps === 5) control.pause();
    };
    const paused = trained({ control, onEvent });
    while (!seen.includes('paused')) await new Promise((resolve) => setTimeout(resolve, 5));
    const other = await trained();
    expect(steps).toBe(5);
    control.resume();
    expect((await paused).weights).toEqual(expected.weights);
    expect(other.weights).toEqual(expected.weights);
    expect(seen.filter((type) => type === 'paused' || type === 'resumed')).toEqual(['paused', 'resumed']);
  });

  test('two trainings at once do not disturb each other', async () => {
    const [one, two] = [await trained(), await trained({ seed: 8 })];
    const [first, second] = await Promise.all([trained(), trained({ seed: 8 })]);
    expect(first.weights).toEqual(one.weights);
    expect(second.weights).toEqual(two.weights);
    expect(first.weights).not.toEqual(second.weights);
  });
});

describe('events', () => {
  test('are told in order, with the time that is left', async () => {
    const model = await tinyModel(bert, runtime);
    onTestFinished(() => model.dispose());
    const run = fineTune.events(model, data as never, options);
    const events: TrainingEvent[] = [];
    for await (const event of run) events.push(event);
    const types = events.map(({ type }) => type);
    expect([types[0], types[1], types.at(-1)]).toEqual(['plan', 'features', 'end']);
    expect(types.filter((type) => type === 'phase')).toHaveLength(2);
    expect(types.filter((type) => type === 'epoch')).toHaveLength(6);
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.map(({ phase, step, steps: all }) => `${phase} ${step}/${all}`).slice(4, 8)).toEqual([
      'head 5/6',
      'head 6/6',
      'fine-tune 1/6',
      'fine-tune 2/6',
    ]);
    expect(steps.every(({ rate, secondsLeft }) => rate > 0 && secondsLeft! >= 0)).toBe(true);
    expect(steps[5]!.secondsLeft).toBeLessThan(1); // what comes after the last epoch is left
    const { history } = await run.result;
    expect(events.at(-1)).toMatchObject({ type: 'end', history: { ended: 'completed' } });
    expect(history.epochs).toHaveLength(6);
  });

  test('leaving the loop aborts the training and lets the model go', async () => {
    const model = await tinyModel(bert, runtime);
    onTestFinished(() => model.dispose());
    const run = fineTune.events(model, data as never, options);
    for await (const event of run) if (event.type === 'step' && event.step === 3) break;
    expect((await run.result).history.ended).toBe('aborted');
    await fineTune(model, data as never, { ...options, headEpochs: 0, epochs: 1 });
  });
});

describe('logs', () => {
  test('of a training hold each step and epoch', async () => {
    const folder = temporary();
    await trained({ log: join(folder, 'run.jsonl') });
    const lines = readFileSync(join(folder, 'run.jsonl'), 'utf8').trimEnd().split('\n');
    const types = lines.map((line): string => JSON.parse(line).type);
    expect([types[0], types.at(-1)]).toEqual(['plan', 'end']);
    expect([types.filter((type) => type === 'step').length, types.filter((type) => type === 'epoch').length]).toEqual([12, 6]);
    await trained({ log: { path: join(folder, 'run.csv') } });
    const rows = readFileSync(join(folder, 'run.csv'), 'utf8').trimEnd().split('\r\n');
    expect(rows[0]).toBe('time,type,phase,epoch,step,loss,accuracy,validation loss,validation accuracy,learning rate,seconds');
    expect(rows).toHaveLength(7);
  });
});
