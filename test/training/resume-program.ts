/**
 * Trains a tiny network with everything random that there is, for tests that kill it. Its argument is JSON; it prints a line for
 * each event at once, and writes history and a checksum of every weight to a file when it comes to its end.
 */
import { createHash } from 'node:crypto';
import { writeFileSync, writeSync } from 'node:fs';
import { addHead } from '../../src/add-head.js';
import { bert } from '../../src/backbones/bert.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { examples } from '../../src/data/examples.js';
import { fineTune } from '../../src/fine-tune.js';
import { classification } from '../../src/heads/classification.js';
import { runtime } from '../../src/runtimes/node.js';
import { tinyBase } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';

/** What a run is told. */
export interface ResumeRequest {
  readonly kind: 'text' | 'image';
  readonly backend: string;
  /** Where the result is written. */
  readonly result: string;
  readonly checkpoint?: { readonly directory: string; readonly everySteps?: number; readonly everySeconds?: number };
  readonly log?: string;
  /** What a test changes. */
  readonly epochs?: number;
  readonly relabel?: boolean;
  readonly baseSeed?: number;
  /** More options of `fineTune`, over those of the kind; null takes one away. */
  readonly options?: object;
}

const words = ['red', 'green', 'train', 'late', 'rose', 'the', 'sun', 'is', 'very', 'old'];

const texts = ({ relabel = false }: ResumeRequest) =>
  examples(
    Array.from({ length: 22 }, (_, index) => ({
      text: Array.from({ length: 3 + (index % 5) }, (_unused, place) => words[(index * 7 + place * 3) % words.length]).join(' '),
      label: index % 3 === 0 || (relabel && index === 1) ? 'even' : 'odd',
    })),
  );

const pictures = () =>
  examples(
    Array.from({ length: 14 }, (_, index) => ({
      image: {
        width: 36,
        height: 34,
        data: Uint8Array.from(
          { length: 36 * 34 * 3 },
          (_unused, place) => ((place % 3 === index % 3 ? 150 : 60) + index * 31 + place * 7) % 256,
        ),
      },
      label: index % 3 === 0 ? 'even' : 'odd',
    })),
  );

const settings = {
  validation: 0.25,
  headEpochs: 2,
  epochs: 3,
  batchSize: 3,
  learningRate: 3e-3,
  accumulate: 2,
  ema: 0.9,
  averageBest: 2,
  labelSmoothing: 0.1,
  classWeights: 'balanced',
  seed: 7,
  cache: false,
  progress: false,
} as const;

const kinds = {
  text: {
    family: bert,
    data: texts,
    options: { unfreeze: { last: 1 }, augment: { kind: 'text', dropTokens: 0.2 }, sampling: 'balanced' },
  },
  image: {
    family: mobilenetV2,
    data: pictures,
    options: { unfreeze: { last: 2 }, normalization: 'batch', augment: { kind: 'image', flip: 0.5, rotate: 10 }, mix: { mixup: 0.4 } },
  },
} as const;

/** A checksum of each weight, by name. */
async function checksums(model: AnyModel): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const [name, weight] of model.weights()) {
    const values = await weight.read().data();
    sums[name] = createHash('sha256')
      .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      .digest('hex');
  }
  return sums;
}

const request = JSON.parse(process.argv[2]!) as ResumeRequest;
await runtime.chooseBackend(request.backend);
const { family, data, options } = kinds[request.kind];
const model = addHead(await tinyBase(family, runtime, request.baseSeed), classification(['even', 'odd'], { dropout: 0.2 } as never), {
  seed: 5,
}) as AnyModel;
const all: Record<string, unknown> = { ...settings, ...(options as object), ...request.options };
const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
try {
  const { history } = await fineTune(model, data(request) as never, {
    ...given,
    ...(request.epochs === undefined ? {} : { epochs: request.epochs }),
    ...(request.checkpoint === undefined ? {} : { checkpoint: request.checkpoint }),
    ...(request.log === undefined ? {} : { log: request.log }),
    onEvent: ({ type }) => void (type === 'features' ? 0 : writeSync(1, `${type}\n`)),
  });
  const epochs = history.epochs.map(({ seconds: _seconds, ...record }) => record);
  const { best, ended, skipped } = history;
  writeFileSync(request.result, JSON.stringify({ epochs, best, ended, skipped, weights: await checksums(model) }));
} catch (error) {
  writeSync(2, String(error));
  process.exitCode = 1;
}
