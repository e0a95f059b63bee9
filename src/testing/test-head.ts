import { runtime as defaultRuntime } from '#runtime';
import { createDataset } from '../data/create-dataset.js';
import type { Dataset } from '../data/dataset.js';
import { addHead } from '../add-head.js';
import type { AnyBackbone } from '../backbones/backbone.js';
import { evaluate } from '../evaluate.js';
import { fineTune } from '../fine-tune.js';
import type { AnyHead, HeadDefinition } from '../heads/head.js';
import type { JsonObject } from '../common/json.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { AnyModel } from '../training/weight-set.js';
import { check, registerCases, type ConformanceCase, type ConformanceOptions } from './conformance.js';
import { expectFailure, expectNoLeaks } from './expect-no-leaks.js';
import { tinyBase } from './tiny-model.js';

/** What a head is tested with. */
export interface HeadSamples {
  /** A family that has the features it takes; its tiny network is used. */
  readonly backbone: AnyBackbone;
  readonly definition: HeadDefinition;
  /** A fresh head. */
  readonly make: () => AnyHead;
  /** Eight or so examples that it can learn: inputs of the family, and targets. */
  readonly examples: readonly { readonly input: unknown; readonly target: unknown }[];
  /** A target that it must refuse. */
  readonly badTarget: unknown;
}

/** Options of `testHead`. */
export interface TestHeadOptions extends ConformanceOptions {
  readonly runtime?: Runtime;
}

async function headed(samples: HeadSamples, runtime: Runtime): Promise<AnyModel> {
  return addHead(await tinyBase(samples.backbone, runtime), samples.make(), { seed: 5 }) as AnyModel;
}

function dataOf({ examples, backbone }: HeadSamples): Dataset {
  const items = examples.map(({ input, target }, index) => ({ id: `sample-${index}`, input: input as never, target }));
  return createDataset({ modality: backbone.modality, items, origin: 'samples' });
}

async function learns(samples: HeadSamples, runtime: Runtime): Promise<void> {
  const model = await headed(samples, runtime);
  const data = dataOf(samples);
  const before = (await evaluate(model, data)).metrics['loss']!;
  await fineTune(model, data, {
    unfreeze: 'all',
    epochs: 40,
    headEpochs: 20,
    batchSize: 8,
    learningRate: 0.01,
    validation: 0,
    progress: false,
  });
  const report = await evaluate(model, data);
  model.dispose();
  check(report.count === data.length, `the report speaks of ${report.count} examples, there are ${data.length}`);
  check(report.metrics['loss']! < before / 2, `training brought the loss from ${before} to ${report.metrics['loss']} only`);
  check(report.summary().length > 0 && JSON.stringify(report.toJSON()).length > 2, 'the report has nothing to say');
}

async function restores(samples: HeadSamples, runtime: Runtime): Promise<void> {
  const head = samples.make();
  const again = samples.definition.restore(JSON.parse(JSON.stringify(head.config)) as JsonObject);
  check(again.name === samples.definition.name && again.name === head.name, 'the head and its definition have different names');
  check(JSON.stringify(again.config) === JSON.stringify(head.config), 'a restored head has another config');
  await expectFailure(() => samples.definition.restore({ nonsense: true }), 'bad-config');
  await runtime.chooseBackend();
}

/** The loss of each example must not depend on the others in its batch. */
async function lossIsPerExample(samples: HeadSamples, runtime: Runtime): Promise<void> {
  const model = await headed(samples, runtime);
  const data = dataOf(samples);
  const together = (await evaluate(model, data)).metrics['loss']!;
  let sum = 0;
  for (const item of data.items) sum += (await evaluate(model, { ...dataOf(samples), items: [item], length: 1 })).metrics['loss']!;
  model.dispose();
  check(
    Math.abs(sum / data.length - together) < 1e-4 * Math.max(1, together),
    `the mean loss is ${together} in one batch and ${sum / data.length} one by one`,
  );
}

async function predictsPlainData(samples: HeadSamples, runtime: Runtime): Promise<void> {
  const model = await headed(samples, runtime);
  const inputs = samples.examples.map(({ input }) => input);
  const predictions = (await model.predict(inputs as never)) as unknown[];
  model.dispose();
  check(predictions.length === inputs.length, `${inputs.length} inputs gave ${predictions.length} predictions`);
  check(JSON.stringify(predictions) === JSON.stringify(JSON.parse(JSON.stringify(predictions))), 'predictions are not plain data');
  check(!JSON.stringify(predictions).includes('null'), 'a prediction holds a number that is not finite');
}

async function refusesBadTargets(samples: HeadSamples, runtime: Runtime): Promise<void> {
  const model = await headed(samples, runtime);
  const [input] = samples.examples;
  const data = createDataset({
    modality: samples.backbone.modality,
    items: [{ id: 'the-bad-one', input: input!.input as never, target: samples.badTarget }],
    origin: 'samples',
  });
  await expectFailure(() => evaluate(model, data), 'bad-data', 'the-bad-one');
  model.dispose();
}

/** The cases of the head contract. */
export function headCases(samples: HeadSamples, runtime: Runtime = defaultRuntime): ConformanceCase[] {
  const leakFree = (work: (samples: HeadSamples, runtime: Runtime) => Promise<void>) => async () => {
    await runtime.chooseBackend();
    await expectNoLeaks(() => work(samples, runtime));
  };
  return [
    { name: 'is restored from its config', run: leakFree(restores) },
    { name: 'learns its samples', run: leakFree(learns) },
    { name: 'gives the loss of each example', run: leakFree(lossIsPerExample) },
    { name: 'predicts plain data', run: leakFree(predictsPlainData) },
    { name: 'refuses a bad target by name', run: leakFree(refusesBadTargets) },
  ];
}

/** Registers the conformance suite of a head with your test runner. */
export function testHead(samples: HeadSamples, options: TestHeadOptions = {}): void {
  registerCases(samples.definition.name, headCases(samples, options.runtime), options);
}
