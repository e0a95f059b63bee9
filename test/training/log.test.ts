import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Papa from 'papaparse';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runtime } from 'transferkit/node';
import { expectFailure } from 'transferkit/testing';
import type { StepEvent, TrainingEvent } from '../../src/training/events.js';
import { checkLogOptions, openLog, type LogOptions, type OpenLogOptions } from '../../src/training/log.js';

function temporary(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'deep', name);
}

const figures = ['loss', 'accuracy'];
const open = (options: LogOptions, more: Partial<OpenLogOptions> = {}) => openLog(checkLogOptions(options), runtime, { figures, ...more });

const step = (number: number, phase = 'head'): StepEvent => ({
  type: 'step',
  phase,
  epoch: 1,
  step: number,
  steps: 10,
  figures: { loss: 0.1 + 0.2, accuracy: 0.5 },
  learningRate: 1e-3,
  rate: 2,
  secondsLeft: 3,
});

const epoch = (number: number): TrainingEvent => ({
  type: 'epoch',
  record: { phase: 'head', epoch: number, loss: Number.NaN, accuracy: 0.25, validation: { loss: 0.7 }, learningRate: 0.01, seconds: 2 },
});

const lines = (path: string): any[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

describe('JSON lines', () => {
  test('have an object for every event but the noise', async () => {
    const path = temporary('run.jsonl');
    const log = await open(path);
    log.write({ type: 'features', done: 1, total: 2, secondsLeft: 1 });
    log.write(step(1));
    log.write(epoch(1));
    log.write({ type: 'paused' });
    log.write({
      type: 'end',
      history: { epochs: [], best: { head: 1 }, ended: 'completed', skipped: [], seconds: { features: 1, training: 2 } },
    });
    await log.flush();
    await log.close();
    expect(lines(path).map(({ type }) => type)).toEqual(['step', 'epoch', 'paused', 'end']);
    expect(lines(path)[0]).toMatchObject({ step: 1, figures: { loss: 0.30000000000000004 }, time: expect.stringMatching(/^\d{4}-/) });
    expect(lines(path)[1]).toMatchObject({ phase: 'head', epoch: 1, loss: null, validation: { loss: 0.7 } });
    expect(log.position).toBe(readFileSync(path).length);
  });

  test('tell no secrets', async () => {
    const path = temporary('run.jsonl');
    const log = await open(path);
    const secrets = ['hf_abcdefghijklmnop', 'https://me:hunter2@host/x?X-Amz-Signature=feedbeef&y=1', 'Authorization: Bearer abc.def-ghi'];
    for (const message of secrets) log.write({ type: 'warning', message });
    await log.flush();
    const text = readFileSync(path, 'utf8');
    for (const secret of ['abcdefghijklmnop', 'hunter2', 'feedbeef', 'abc.def']) expect(text).not.toContain(secret);
    expect(text).toContain('https://host/x');
  });

  test('are only of epochs where that is wanted', async () => {
    const path = temporary('run.log');
    const log = await open({ path, format: 'jsonl', every: 'epoch' });
    for (const event of [step(1), epoch(1)]) log.write(event);
    await log.flush();
    expect(lines(path).map(({ type }) => type)).toEqual(['epoch']);
  });
});

describe('a table', () => {
  test('has one header and is read by any reader of CSV', async () => {
    const path = temporary('run.csv');
    const log = await open({ path, every: 'step' });
    for (const event of [step(1, 'one, "two"\nthree'), epoch(1), { type: 'paused' } as const]) log.write(event);
    await log.flush();
    const { data } = Papa.parse<Record<string, string>>(readFileSync(path, 'utf8'), { header: true, skipEmptyLines: true });
    expect(data).toHaveLength(2);
    expect(data[0]).toMatchObject({ type: 'step', phase: 'one, "two"\nthree', step: '1', loss: '0.30000000000000004', seconds: '' });
    expect(data[1]).toMatchObject({
      type: 'epoch',
      loss: 'NaN',
      accuracy: '0.25',
      'validation loss': '0.7',
      'validation accuracy': '',
      seconds: '2',
    });
  });

  test('has epochs alone unless steps are wanted', async () => {
    const path = temporary('run.csv');
    const log = await open(path);
    for (const event of [step(1), epoch(1)]) log.write(event);
    await log.flush();
    expect(readFileSync(path, 'utf8').split('\r\n')).toHaveLength(3);
  });
});

describe('a run that continues', () => {
  test.each(['run.jsonl', 'run.csv'])('has each step once in %s', async (name) => {
    const path = temporary(name);
    const options = { path, every: 'step' } as const;
    const first = await open(options);
    first.write(step(1));
    first.write(step(2));
    await first.flush();
    const position = first.position;
    first.write(step(3));
    await first.flush();
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"torn`);
    const second = await open(options, { from: position });
    second.write({ type: 'plan', plan: { decisions: [] } } as never);
    second.write({ type: 'phase', phase: 'head', steps: 10, epochs: 1, done: 2 });
    for (const number of [3, 4]) second.write(step(number));
    await second.flush();
    const text = readFileSync(path, 'utf8');
    const numbers = name.endsWith('csv')
      ? Papa.parse<{ step: string }>(text, { header: true, skipEmptyLines: true }).data.map((row) => Number(row.step))
      : lines(path).map((line) => line.step);
    expect(numbers).toEqual([1, 2, 3, 4]);
    expect(second.position).toBe(readFileSync(path).length);
  });

  test('keeps whole lines where the file is shorter than it should be', async () => {
    const path = temporary('run.jsonl');
    const first = await open(path);
    for (const number of [1, 2]) first.write(step(number));
    await first.flush();
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length - 9));
    const second = await open(path, { from: whole.length });
    second.write(step(3));
    await second.flush();
    expect(lines(path).map((line) => line.step)).toEqual([1, 3]);
  });

  test('begins anew where the log is gone', async () => {
    const path = temporary('run.csv');
    const log = await open(path, { from: 4711 });
    log.write(epoch(3));
    await log.flush();
    expect(readFileSync(path, 'utf8')).toMatch(/^time,type,[^\r]*\r\n[^\r]*,epoch,/);
    expect(log.position).toBe(readFileSync(path).length);
  });
});

describe('the file', () => {
  test('of an earlier run is replaced', async () => {
    const path = temporary('run.jsonl');
    for (const number of [1, 2]) {
      const log = await open(path);
      log.write(step(number));
      await log.flush();
    }
    expect(lines(path).map((line) => line.step)).toEqual([2]);
  });

  test('that is no log is left alone', async () => {
    const path = join(temporary('x'), '..', '..', 'tickets.csv');
    writeFileSync(path, 'text,label\nhello,a\n');
    await expectFailure(() => open(path), 'bad-option', 'no log of a training', 'another file');
    expect(readFileSync(path, 'utf8')).toBe('text,label\nhello,a\n');
  });

  test('that cannot be written stops the log and not the training', async () => {
    const path = temporary('run.jsonl');
    let refuse = false;
    const failing = {
      ...runtime,
      appendFile: async (...args: [string, Uint8Array, number?]) =>
        refuse ? Promise.reject(new Error('full')) : runtime.appendFile!(...args),
    };
    const told: unknown[] = [];
    const log = await openLog(checkLogOptions(path), failing, { figures, onError: (error) => told.push(error) });
    const strict = await openLog(checkLogOptions(path), failing, { figures });
    refuse = true;
    for (const one of [log, strict]) for (const number of [1, 2]) one.write(step(number));
    await log.flush();
    log.write(step(3));
    await log.flush();
    expect(told).toHaveLength(1);
    await expect(strict.flush()).rejects.toThrow('full');
    await strict.close();
  });

  test('is needed: a runtime without growing files says so', async () => {
    const { appendFile: _appendFile, ...without } = runtime;
    await expectFailure(() => openLog(checkLogOptions('run.jsonl'), without, { figures }), 'unsupported', 'onEvent');
  });
});

describe('the option', () => {
  test('has defaults', () => {
    expect(checkLogOptions('a/run.jsonl')).toEqual({ path: 'a/run.jsonl', format: 'jsonl', every: 'step' });
    expect(checkLogOptions('run.NDJSON').format).toBe('jsonl');
    expect(checkLogOptions({ path: 'run.csv' })).toEqual({ path: 'run.csv', format: 'csv', every: 'epoch' });
  });

  test.each([
    ['', 'bad-option', "a file's path"],
    [7, 'bad-option', "a file's path"],
    ['run.txt', 'bad-option', '.jsonl or .csv'],
    [{ path: 'run', format: 'toString' }, 'bad-option', '.jsonl or .csv'],
    [{ path: 'run.csv', every: 'hour' }, 'bad-option', 'log.every'],
    [{ path: 'run.csv', steps: true }, 'unknown-name', 'steps'],
  ])('%j is refused', async (options, code, piece) => {
    await expectFailure(() => checkLogOptions(options as never), code, piece);
  });
});
