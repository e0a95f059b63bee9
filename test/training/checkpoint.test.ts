import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runtime } from 'transferkit/node';
import { expectFailure } from 'transferkit/testing';
import { openCheckpoints, type RunState } from '../../src/training/checkpoint/checkpoint.js';
import { checkCheckpointOptions, CheckpointClock } from '../../src/training/checkpoint/checkpoint-options.js';
import { fromExactJson, toExactJson } from '../../src/training/checkpoint/exact-json.js';
import { difference } from '../../src/training/checkpoint/fingerprint.js';
import { readState, writeState } from '../../src/training/checkpoint/run-state.js';

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-checkpoint-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'run');
}

const fingerprint = { data: { sha256: 'a'.repeat(64) }, plan: { seed: 1, phases: [{ epochs: 2 }, { epochs: 3 }] } };

const stateAt = (step: number, values: readonly number[] = [step, Number.NaN, -0, 1 / 3]): RunState => ({
  fingerprint,
  step,
  json: { step, loss: 0.1 + step, best: Number.POSITIVE_INFINITY },
  tensors: new Map([
    ['weights/a', { shape: [values.length], values: Float32Array.from(values) }],
    ['slots/b', { shape: [2], values: Int32Array.of(step, -step) }],
  ]),
});

const steps = (directory: string): string[] => readdirSync(directory).filter((name) => name.startsWith('step-'));

describe('numbers in JSON', () => {
  test('come back bit by bit', () => {
    const values = [0, -0, 1 / 3, 5e-324, Number.MAX_VALUE, Number.NaN, Infinity, -Infinity, 2 ** 53 + 2, 0.1 + 0.2];
    const back = fromExactJson(toExactJson({ values, deep: { nan: Number.NaN } })) as { values: number[]; deep: { nan: number } };
    expect(back.values.map((value) => new Float64Array([value])).map((bits) => [...new Uint8Array(bits.buffer)])).toEqual(
      values.map((value) => [...new Uint8Array(new Float64Array([value]).buffer)]),
    );
    expect(back.deep.nan).toBeNaN();
  });
});

describe('a checkpoint', () => {
  test('comes back as it was written', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    expect(await checkpoints.latest(fingerprint)).toBeUndefined();
    const path = await checkpoints.write(stateAt(7));
    await checkpoints.close();
    expect(path).toBe(join(directory, 'step-00000007'));
    const again = await openCheckpoints(directory, runtime);
    expect(await again.latest(fingerprint)).toEqual(stateAt(7));
    await again.close();
  });

  test('with more tensors than one file should hold is cut into several', async () => {
    const directory = temporary();
    const state = stateAt(
      1,
      Array.from({ length: 100 }, (_, index) => index),
    );
    const files = await writeState(state, false, runtime, 64);
    expect([...files.keys()].sort()).toEqual(['state-2.safetensors', 'state.json', 'state.safetensors']);
    await runtime.writeFolder(directory, files);
    expect(await readState(runtime, directory)).toEqual(state);
  });

  test('stays when it is the best or among the last', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime, { keep: 2 });
    await checkpoints.latest(fingerprint);
    for (const step of [10, 20, 30, 40, 50]) await checkpoints.write(stateAt(step), { best: step === 20 });
    await checkpoints.write(stateAt(50));
    await checkpoints.close();
    expect(steps(directory)).toEqual(['step-00000020', 'step-00000050', 'step-00000050-2']);
    const again = await openCheckpoints(directory, runtime, { keep: 2 });
    await again.latest(fingerprint);
    await again.write(stateAt(60));
    expect(steps(directory)).toEqual(['step-00000020', 'step-00000050-2', 'step-00000060']);
    await again.write(stateAt(70), { best: true });
    expect(steps(directory)).toEqual(['step-00000060', 'step-00000070']);
    await again.close();
  });

  test.each([
    ['a flipped bit in the tensors', 'state.safetensors', (path: string) => flip(path, -5)],
    [
      'a flipped digit in the state',
      'state.json',
      (path: string) => writeFileSync(path, readFileSync(path, 'utf8').replace('"loss":30.1', '"loss":31.1')),
    ],
    ['a state cut short', 'state.json', (path: string) => truncateSync(path, 40)],
    ['tensors cut short', 'state.safetensors', (path: string) => truncateSync(path, 20)],
    ['missing tensors', 'state.safetensors', (path: string) => rmSync(path)],
    ['a missing state', 'state.json', (path: string) => rmSync(path)],
  ])('with %s is passed over for the one before', async (_what, file, damage) => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(fingerprint);
    for (const step of [20, 30]) await checkpoints.write(stateAt(step));
    await checkpoints.close();
    damage(join(directory, 'step-00000030', file));
    const again = await openCheckpoints(directory, runtime);
    expect(await again.latest(fingerprint)).toEqual(stateAt(20));
    expect(again.damaged.join()).toContain('step-00000030');
    await again.write(stateAt(25));
    expect(steps(directory)).toEqual(['step-00000020', 'step-00000025']);
    await again.close();
  });

  test('when none is whole, nothing is started over unasked', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(fingerprint);
    await checkpoints.write(stateAt(20));
    await checkpoints.close();
    flip(join(directory, 'step-00000020', 'state.safetensors'), -1);
    const again = await openCheckpoints(directory, runtime);
    await expectFailure(() => again.latest(fingerprint), 'corrupt-file', 'none of the 1 checkpoints', 'resume: false');
    await again.close();
    const anew = await openCheckpoints(directory, runtime, { resume: false });
    expect(await anew.latest(fingerprint)).toBeUndefined();
    expect(steps(directory)).toEqual([]);
    await anew.close();
  });

  test('of a run that is finished gives its result', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(fingerprint);
    await checkpoints.write(stateAt(5));
    await checkpoints.finish(stateAt(9));
    await checkpoints.close();
    const again = await openCheckpoints(directory, runtime);
    expect(await again.latest(fingerprint)).toEqual({ ...stateAt(9), finished: true });
    await again.close();
    flip(join(directory, 'final', 'state.safetensors'), -1);
    const third = await openCheckpoints(directory, runtime);
    expect(await third.latest(fingerprint)).toEqual(stateAt(5));
    await third.close();
  });
});

function flip(path: string, place: number): void {
  const bytes = readFileSync(path);
  bytes[bytes.length + place]! ^= 4;
  writeFileSync(path, bytes);
}

describe('the folder', () => {
  test('of another run is refused, with every difference', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(fingerprint);
    await checkpoints.close();
    const other = { data: { sha256: 'b'.repeat(64) }, plan: { seed: 1, phases: [{ epochs: 2 }, { epochs: 5 }] } };
    const again = await openCheckpoints(directory, runtime);
    const error = await expectFailure(
      () => again.latest(other),
      'bad-option',
      'plan.phases[1].epochs: 3 in the checkpoint, 5 now',
      'data.sha256: aaaaaaaa... in the checkpoint, bbbbbbbb... now',
      'The examples, their labels or their order',
      'resume: false',
    );
    expect(error.details['differences']).toHaveLength(2);
    await again.close();
  });

  test('many differences are counted', async () => {
    const directory = temporary();
    const many = (value: number) => Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`option${index}`, value]));
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(many(1));
    await expectFailure(() => checkpoints.latest(many(2)), 'bad-option', 'option7: 1 in the checkpoint, 2 now', 'and 12 more');
    await checkpoints.close();
  });

  test('with other things in it is refused and left as it is', async () => {
    const directory = temporary();
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'thesis.doc'), 'precious');
    await expectFailure(() => openCheckpoints(directory, runtime, { resume: false }), 'bad-option', 'thesis.doc', 'empty folder');
    expect(readdirSync(directory)).toEqual(['thesis.doc']);
    rmSync(join(directory, 'thesis.doc'));
    writeFileSync(join(directory, 'run.json'), '{"mine": true}');
    await expectFailure(() => openCheckpoints(directory, runtime), 'bad-option', 'run.json');
    expect(readdirSync(directory)).toEqual(['run.json']);
  });

  test('that was ours keeps what was put beside the checkpoints', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(fingerprint);
    await checkpoints.write(stateAt(1));
    await checkpoints.close();
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    const anew = await openCheckpoints(directory, runtime, { resume: false });
    await anew.latest(fingerprint);
    await anew.write(stateAt(2));
    await anew.close();
    expect(readdirSync(directory).sort()).toEqual(['notes.txt', 'run.json', 'step-00000002']);
  });

  test('loses what a killed process left unfinished', async () => {
    const directory = temporary();
    const checkpoints = await openCheckpoints(directory, runtime);
    await checkpoints.latest(fingerprint);
    await checkpoints.close();
    for (const name of ['.step-00000009.new-abc', '.final.new-x']) mkdirSync(join(directory, name));
    writeFileSync(join(directory, '.run.json.new-1'), '{');
    await (await openCheckpoints(directory, runtime)).close();
    expect(readdirSync(directory)).toEqual(['run.json']);
  });

  test('is used by one training at a time', async () => {
    const directory = temporary();
    const first = await openCheckpoints(directory, runtime);
    await expectFailure(
      () => openCheckpoints(directory, runtime),
      'bad-option',
      `process ${process.pid} on this machine`,
      'another folder',
    );
    await first.close();
    await first.close();
    await (await openCheckpoints(directory, runtime)).close();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is taken over from a process that was killed', async () => {
    const directory = temporary();
    const child = spawn('sleep', ['60']);
    const lock = { host: hostname(), pid: child.pid, started: null, id: 'x' };
    mkdirSync(directory);
    writeFileSync(join(directory, 'transferkit.lock'), JSON.stringify(lock));
    await expectFailure(() => openCheckpoints(directory, runtime), 'bad-option', `process ${child.pid}`);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.on('exit', resolve));
    await (await openCheckpoints(directory, runtime)).close();
    // The number of a process is used again, in a container at once: its start tells it apart.
    if (!existsSync('/proc/self/stat')) return;
    writeFileSync(join(directory, 'transferkit.lock'), JSON.stringify({ ...lock, pid: process.pid, started: '1' }));
    await (await openCheckpoints(directory, runtime)).close();
  });

  test('of a holder on another machine is not taken while he may live', async () => {
    const directory = temporary();
    mkdirSync(directory);
    writeFileSync(join(directory, 'transferkit.lock'), JSON.stringify({ host: 'elsewhere', pid: 1, started: null, id: 'x' }));
    await expectFailure(() => openCheckpoints(directory, runtime), 'bad-option', 'the machine "elsewhere"');
  });

  test('of many who want it at once, one gets it, also over a stale lock', async () => {
    const directory = temporary();
    mkdirSync(directory);
    writeFileSync(join(directory, 'transferkit.lock'), JSON.stringify({ host: hostname(), pid: 2 ** 22 + 1, started: null, id: 'x' }));
    const tries = await Promise.all(Array.from({ length: 20 }, () => runtime.tryLock!(join(directory, 'transferkit.lock'))));
    expect(tries.filter(({ taken }) => taken)).toHaveLength(1);
  });

  test('needs a runtime that can keep files', async () => {
    const { tryLock: _tryLock, ...without } = runtime;
    await expectFailure(() => openCheckpoints(temporary(), without), 'unsupported', 'train in Node');
  });
});

describe('differences', () => {
  test('are lines that a person can read', () => {
    expect(difference({ a: 1, b: [1, { c: 'x' }] }, { a: 1, b: [1, { c: 'y' }], d: null })).toEqual([
      'b[1].c: "x" in the checkpoint, "y" now',
      'd: nothing in the checkpoint, null now',
    ]);
    expect(difference({ a: [1, 2] }, { a: { b: 1 } })).toEqual(['a: 2 of them in the checkpoint, a group of values now']);
    expect(difference({ a: { b: [] } }, { a: { b: [] } })).toEqual([]);
  });
});

describe('the option', () => {
  test('has defaults', () => {
    const settings = checkCheckpointOptions('run');
    expect(settings).toEqual({ directory: 'run', everySteps: Infinity, everySeconds: 60, keep: 2, resume: true });
    expect(checkCheckpointOptions({ directory: 'run', everySteps: 5 }).everySeconds).toBe(Infinity);
  });

  test.each([
    [{}, 'bad-option', 'checkpoint.directory'],
    ['', 'bad-option', 'checkpoint.directory'],
    [5, 'bad-option', "a folder's path"],
    [null, 'bad-option', "a folder's path"],
    [{ directory: 'run', everySteps: 0 }, 'bad-option', 'checkpoint.everySteps'],
    [{ directory: 'run', everySeconds: -1 }, 'bad-option', 'checkpoint.everySeconds'],
    [{ directory: 'run', keep: 0.5 }, 'bad-option', 'checkpoint.keep'],
    [{ directory: 'run', resume: 'yes' }, 'bad-option', 'checkpoint.resume'],
    [{ directory: 'run', every: 5 }, 'unknown-name', 'every'],
  ])('%j is refused', async (options, code, piece) => {
    await expectFailure(() => checkCheckpointOptions(options as never), code, piece);
  });

  test('says when a checkpoint is due', () => {
    let now = 0;
    const clock = new CheckpointClock({ everySteps: 10, everySeconds: 5 }, () => now);
    expect([clock.due(9), clock.due(10)]).toEqual([false, true]);
    clock.reset(10);
    expect(clock.due(19)).toBe(false);
    now = 5000;
    expect(clock.due(11)).toBe(true);
  });
});
