/**
 * Runs that are killed go on as if nothing had happened. `TRANSFERKIT_RESUME_ROUNDS=50` kills hundreds of times instead of dozens;
 * `TRANSFERKIT_RESUME_BACKEND=wasm` does so on another backend.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bundleProgram, killUntilDone, resultOf, start, temporaryFolder } from './resume-killer.js';
import type { ResumeRequest } from './resume-program.js';

const rounds = Number(process.env['TRANSFERKIT_RESUME_ROUNDS'] ?? 1);
const backend = process.env['TRANSFERKIT_RESUME_BACKEND'] ?? 'cpu';
/** A busy machine takes ten times as long as one at ease. */
const patience = { timeout: 300_000 * rounds };

const programs: { path: string; remove(): void }[] = [];
let trains = '';
let loops = '';

beforeAll(async () => {
  programs.push(await bundleProgram('resume-program'), await bundleProgram('resume-loop'));
  [trains, loops] = programs.map(({ path }) => path) as [string, string];
});

afterAll(() => programs.forEach((program) => program.remove()));

/** What a run is told, with places of its own. */
function requestFor(kind: ResumeRequest['kind'], more: Partial<ResumeRequest> = {}): ResumeRequest & { readonly log: string } {
  const folder = temporaryFolder();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const checkpoint = { directory: join(folder, 'run'), everySteps: 1 };
  return { kind, backend, result: join(folder, 'result.json'), checkpoint, log: join(folder, 'log.jsonl'), ...more };
}

/** Steps of a log, each as `phase step`. */
const loggedSteps = (path: string): string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'step')
    .map(({ phase, step }) => `${phase} ${step}`);

/** The result of a run that nobody kills, and that writes nothing down. */
async function uninterrupted(kind: ResumeRequest['kind'], more: Partial<ResumeRequest> = {}) {
  const { checkpoint: _checkpoint, log: _log, ...request } = requestFor(kind, more);
  const ending = await start(trains, request);
  expect(ending.errors).toBe('');
  return resultOf(request);
}

describe('a loop that is written down after every step', () => {
  test('ends with the same numbers and a log without a gap, however often it is killed', patience, async () => {
    const whole = requestFor('text');
    expect((await start(loops, whole)).errors).toBe('');
    let kills = 0;
    for (let round = 0; round < rounds; round++) {
      const request = requestFor('text');
      kills += await killUntilDone(loops, request, round, 16);
      expect(resultOf(request)).toEqual(resultOf(whole));
      expect(loggedSteps(request.log)).toEqual(Array.from({ length: 60 }, (_, index) => `loop ${index + 1}`));
      expect(readdirSync(request.checkpoint!.directory).filter((name) => name.startsWith('.'))).toEqual([]);
    }
    console.log(`${kills} kills of the loop`);
    expect(kills).toBeGreaterThanOrEqual(8 * rounds);
  });
});

describe('a training', () => {
  test.each(['text', 'image'] as const)('of %s that is killed at random ends as if it had not been', patience, async (kind) => {
    const expected = await uninterrupted(kind);
    let kills = 0;
    for (let round = 0; round < rounds; round++) {
      // Every step is written down in one run; in the next, some are done twice.
      const request = requestFor(kind);
      const everySteps = 1 + ((round + (kind === 'text' ? 0 : 1)) % 2) * 2;
      const written = { ...request, checkpoint: { ...request.checkpoint!, everySteps } };
      kills += await killUntilDone(trains, written, 100 + round, 6);
      expect(resultOf(written)).toEqual(expected);
      const steps = loggedSteps(written.log);
      expect(new Set(steps).size).toBe(steps.length);
      if (round > 0) continue;
      // Once more: a finished run is given back without a step.
      const again = await start(trains, written);
      expect(again.events).not.toContain('step');
      expect(resultOf(written)).toEqual(expected);
    }
    console.log(`${kills} kills of a training of ${kind}s`);
    expect(kills).toBeGreaterThanOrEqual(3 * rounds);
  });

  const adapter = { kind: 'lora', rank: 2, alpha: 4, dropout: 0.1, targets: 'all-linear', dora: false };
  test.each([
    ['an adapter, with Lion', 'text', { adapter, unfreeze: null, optimizer: 'lion', learningRate: 1e-3 }],
    ['a probe, then everything, with SGD', 'text', { strategy: 'probeThenFineTune', unfreeze: null, headEpochs: null, optimizer: 'sgd' }],
    [
      'gradual unfreezing with one cycle',
      'image',
      { strategy: 'gradual', unfreeze: null, headEpochs: null, epochs: null, schedule: 'one-cycle' },
    ],
    ['no validation and Adafactor', 'image', { validation: 0, optimizer: 'adafactor', averageBest: 1 }],
  ] as const)('by %s goes on the same way', patience, async (_what, kind, options) => {
    const expected = await uninterrupted(kind, { options });
    for (let round = 0; round < rounds; round++) {
      const request = requestFor(kind, { options });
      expect(await killUntilDone(trains, request, 200 + round, 2)).toBe(2);
      expect(resultOf(request)).toEqual(expected);
    }
  });

  test(
    'that is killed before its first checkpoint, twice while it writes one, and finds the last one damaged, still ends the same',
    patience,
    async () => {
      const expected = await uninterrupted('text');
      const request = requestFor('text');
      expect((await start(trains, request, { events: 1, milliseconds: 0, type: 'plan' })).killed).toBe(true);
      for (const events of [2, 1]) expect((await start(trains, request, { events, milliseconds: 1, type: 'step' })).killed).toBe(true);
      expect((await start(trains, request, { events: 4, milliseconds: 0, type: 'checkpoint' })).killed).toBe(true);
      const { directory } = request.checkpoint!;
      const last = readdirSync(directory)
        .filter((name) => name.startsWith('step-'))
        .at(-1)!;
      const state = join(directory, last, 'state.safetensors');
      const bytes = readFileSync(state);
      bytes[bytes.length - 3]! ^= 1;
      writeFileSync(state, bytes);
      const ending = await start(trains, request);
      expect(ending.errors).toBe('');
      expect(ending.events).toContain('warning');
      expect(ending.events).toContain('continued');
      expect(resultOf(request)).toEqual(expected);
    },
  );

  test('is refused a folder of other data, options or weights, and one that is in use', patience, async () => {
    const request = requestFor('text');
    expect((await start(trains, request, { events: 3, milliseconds: 0, type: 'checkpoint' })).killed).toBe(true);
    const refused = async (change: Partial<ResumeRequest>, ...pieces: readonly string[]) => {
      const { code, errors, events } = await start(trains, { ...request, ...change });
      expect(code).toBe(1);
      expect(events).not.toContain('step');
      for (const piece of ['bad-option', ...pieces]) expect(errors).toContain(piece);
    };
    await refused({ epochs: 5 }, 'plan.phases[1].epochs: 3 in the checkpoint, 5 now');
    await refused({ relabel: true }, 'data.training.sha256', 'examples, their labels or their order');
    await refused({ baseSeed: 4 }, 'base.weights.sha256', 'must be loaded again');
    const other = start(trains, request);
    while (!existsSync(join(request.checkpoint!.directory, 'transferkit.lock'))) await new Promise((resolve) => setTimeout(resolve, 5));
    await refused({}, 'is in use by process');
    expect((await other).code).toBe(0);
  });
});
