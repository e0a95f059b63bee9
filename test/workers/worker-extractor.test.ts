import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addHead, classification, TransferKitError } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { runtime } from 'transferkit/node';
import { expectFailure, tinyBase, tinyModel, tinySamples } from 'transferkit/testing';
import { createLocalExtractor } from '../../src/feature-cache/local-extractor.js';
import type { ExtractionJob, Extractor } from '../../src/feature-cache/extractor.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { createWorkerExtractor } from '../../src/workers/worker-extractor.js';

const scratch = mkdtempSync(join(tmpdir(), 'transferkit-workers-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const jobsOf = (inputs: readonly unknown[], target: unknown = 'even'): ExtractionJob[] =>
  inputs.map((input, index) => ({ item: { id: `item-${index}`, input: input as never, target } }));
const sampleJobs = (family: any, times: number): ExtractionJob[] =>
  Array.from({ length: times }, () => tinySamples(family).items.map((item) => ({ item }))).flat();

test.each([
  ['mobilenet-v2', mobilenetV2, 3],
  ['bert', bert, 2],
  ['bert, all of it', bert, undefined],
] as [string, any, number | undefined][])(
  '%s: features of two workers are those of this thread, bit by bit and in order',
  async (_name, family, border) => {
    using model = await tinyModel(family, runtime);
    const firstGroup = border ?? model.base.groups.length;
    const jobs = sampleJobs(family, 9);
    const here = await createLocalExtractor(model, firstGroup).extract(jobs);
    const workers = await createWorkerExtractor(model, firstGroup, 2);
    try {
      expect(await workers.extract(jobs)).toEqual(here);
      // Calls overlap, and an empty one is answered.
      const [first, none, second] = await Promise.all([
        workers.extract(jobs.slice(0, 5)),
        workers.extract([]),
        workers.extract(jobs.slice(5, 8)),
      ]);
      expect([...first, ...second]).toEqual(here.slice(0, 8));
      expect(none).toEqual([]);
    } finally {
      await workers.close();
    }
  },
);

describe('one worker', () => {
  let model: AnyModel;
  let workers: Extractor;
  let local: Extractor;
  beforeAll(async () => {
    model = await tinyModel(mobilenetV2, runtime);
    workers = await createWorkerExtractor(model, 2, 1);
    local = createLocalExtractor(model, 2);
  });
  afterAll(async () => {
    await workers.close();
    model.dispose();
  });

  test('takes everything that a photo can be', async () => {
    const path = join(import.meta.dirname, '../golden/inputs/rgb.png');
    const file = readFileSync(path);
    const pooled = Buffer.concat([Buffer.alloc(8), file]).subarray(8);
    const pixels = { width: 2, height: 2, data: Uint8ClampedArray.from({ length: 16 }, (_, index) => index * 9) };
    const tensor = tf.tensor3d(
      Array.from({ length: 48 }, (_, index) => index),
      [4, 4, 3],
      'int32',
    );
    const jobs = jobsOf([
      path,
      pathToFileURL(path),
      file,
      pooled,
      new Uint8Array(file).buffer,
      new Blob([file]),
      new File([file], 'rgb.png'),
      pixels,
      tensor,
      { image: path, limits: { maxPixels: 1e6 } },
    ]);
    const there = await workers.extract(jobs);
    expect(there.map((item) => ('error' in item ? item.error.message : 'read'))).toEqual(jobs.map(() => 'read'));
    expect(there).toEqual(await local.extract(jobs));
    tensor.dispose();
  });

  test('gives the error of a bad example as that of this thread, with its place', async () => {
    const wrong = tf.tensor3d([0.5, 1, 0.25], [1, 1, 3]);
    const jobs = [
      ...jobsOf(['no-such.jpg', Uint8Array.of(1, 2, 3), 7, wrong]),
      ...jobsOf([tinySamples(mobilenetV2).items[0]!.input], 'neither'),
    ];
    const errors = async (extractor: Extractor) =>
      (await extractor.extract(jobs)).map((item) => {
        if (!('error' in item)) throw new Error('it was read');
        expect(TransferKitError.isInstance(item.error)).toBe(true);
        const { code, message, details, retryable } = item.error;
        return { code, message, details, retryable };
      });
    const there = await errors(workers);
    expect(there.map(({ code }) => code)).toEqual(['not-found', 'corrupt-file', 'bad-input', 'bad-input', 'bad-data']);
    expect(there).toEqual(await errors(local));
    wrong.dispose();
  });

  test('refuses what cannot be sent, and names the item', async () => {
    await expectFailure(() => workers.extract(jobsOf([() => 'a photo'])), 'bad-option', 'the input of "item-0" cannot be sent to a worker');
    await expectFailure(
      () => workers.extract(jobsOf(['a.jpg'], { made: new Map() })),
      'bad-option',
      'the target of "item-0", member "made"',
    );
    expect(await workers.extract(sampleJobs(mobilenetV2, 1))).toHaveLength(8);
  });
});

test('a worker that dies gives one error, and nothing hangs', async () => {
  using model = await tinyModel(mobilenetV2, runtime);
  const started: { die: () => void; worker: any }[] = [];
  const spawnWorker = (module: URL) => {
    const worker = runtime.spawnWorker!(module);
    let fail: (error: Error) => void = () => undefined;
    const onError = (listener: (error: Error) => void): void => worker.onError((fail = listener));
    started.push({ worker, die: () => void worker.terminate().then(() => fail(new Error('it exited with code 134'))) });
    return { ...worker, onError };
  };
  const parts = model.base.parts as any;
  parts.runtime = { ...runtime, spawnWorker };
  const workers = await createWorkerExtractor(model, 2, 2);
  const calls = [workers.extract(sampleJobs(mobilenetV2, 40)), workers.extract(sampleJobs(mobilenetV2, 4))];
  const outcomes = Promise.allSettled(calls);
  started[1]!.die();
  for (const outcome of await outcomes)
    expect((outcome as any).reason).toMatchObject({ code: 'worker-ended', message: expect.stringContaining('exited with code 134') });
  await expectFailure(() => workers.extract(sampleJobs(mobilenetV2, 1)), 'worker-ended', 'Fix: run it again');
  await workers.close();
});

test('a signal stops the workers at once, at work and at the start', async () => {
  using model = await tinyModel(bert, runtime);
  const controller = new AbortController();
  const workers = await createWorkerExtractor(model, 1, 1, controller.signal);
  const running = workers.extract(sampleJobs(bert, 500));
  const started = performance.now();
  setTimeout(() => controller.abort(new Error('enough')), 20);
  await expect(running).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
  expect(performance.now() - started).toBeLessThan(5000);
  await expectFailure(() => createWorkerExtractor(model, 1, 1, controller.signal), 'aborted', 'nothing was trained');
  const starting = new AbortController();
  setTimeout(() => starting.abort(), 1);
  await expectFailure(() => createWorkerExtractor(model, 1, 1, starting.signal), 'aborted', 'nothing was trained');
});

test('a closed one refuses to work, and can be closed again', async () => {
  using model = await tinyModel(bert, runtime);
  const workers = await createWorkerExtractor(model, 1, 1);
  await workers.close();
  await workers.close();
  await expectFailure(() => workers.extract(sampleJobs(bert, 1)), 'disposed', 'closed');
});

test('plug-ins of your own, and places without threads, are refused', async () => {
  const own = { ...mobilenetV2, name: 'my-net' } as any;
  using model = await tinyModel(own, runtime);
  await expectFailure(() => createWorkerExtractor(model, 1, 1), 'unsupported', 'the backbone "my-net" is one of your own');
  using changed = await tinyModel({ ...mobilenetV2, build: (config: any) => mobilenetV2.build(config) } as any, runtime);
  await expectFailure(() => createWorkerExtractor(changed, 1, 1), 'unsupported', 'the backbone "mobilenet-v2" is one of your own');
  const head = { ...classification(['even', 'odd']), name: 'my-head' };
  using headed = addHead(await tinyBase(bert, runtime), head as any) as AnyModel;
  await expectFailure(() => createWorkerExtractor(headed, 1, 1), 'unsupported', 'the head "my-head" is one of your own');
  const loss = { ...classification(['even', 'odd']), loss: () => tf.tensor1d([0]) };
  using lossy = addHead(await tinyBase(bert, runtime), loss as any) as AnyModel;
  await expectFailure(() => createWorkerExtractor(lossy, 1, 1), 'unsupported', '(its loss)');
  using plain = await tinyModel(bert, runtime);
  const { spawnWorker: _absent, ...web } = runtime;
  (plain.base.parts as any).runtime = { ...web, name: 'web' };
  await expectFailure(() => createWorkerExtractor(plain, 1, 1), 'unsupported', 'no worker threads on the runtime "web"');
});

test('a program that was left out of a bundle is named', () => {
  const absent = pathToFileURL(join(scratch, 'worker.js'));
  expect(() => runtime.spawnWorker!(absent)).toThrow(/not-found: the module that a worker is to run.*\n.*bundler[^]*external/);
});

const program = (body: string): string => `
  import { tinyModel, tinySamples } from ${JSON.stringify(join(import.meta.dirname, '../../src/testing.ts'))};
  import { bert } from ${JSON.stringify(join(import.meta.dirname, '../../src/backbones/bert.ts'))};
  import { runtime } from ${JSON.stringify(join(import.meta.dirname, '../../src/runtimes/node.ts'))};
  import { createWorkerExtractor } from ${JSON.stringify(join(import.meta.dirname, '../../src/workers/worker-extractor.ts'))};
  const model = await tinyModel(bert, runtime);
  const jobs = tinySamples(bert).items.map((item) => ({ item }));
  const workers = await createWorkerExtractor(model, 1, 2);
  ${body}
`;

test.each([
  ['after close()', 'await workers.extract(jobs); await workers.close();', 'done'],
  [
    'after an error',
    'await workers.extract([{ item: { id: "a", input: () => 1, target: "even" } }]).catch((error) => console.log(error.code)).finally(() => workers.close());',
    'bad-option\ndone',
  ],
])('the program ends by itself %s', async (_name, body, printed) => {
  const file = join(scratch, `program-${printed.length}.mts`);
  writeFileSync(file, program(`${body} console.log('done');`));
  const root = join(import.meta.dirname, '../..');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { cwd: root, timeout: 50_000 });
  expect(stdout.trim()).toBe(printed);
});
