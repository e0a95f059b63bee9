import type { DataItem, Dataset, SkippedItem } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { badItem, skipOrThrow } from '../inference/read-items.js';
import { runExamples } from '../inference/run-examples.js';
import type { StoreOptions } from '../training/feature-store.js';
import type { AnyModel } from '../training/weight-set.js';
import { bordersOf } from './borders.js';
import type { ExtractedExample, ExtractedItem, ViewRequest } from './extractor.js';
import { createLocalExtractor } from './local-extractor.js';
import { contentKey } from './record-keys.js';
import type { StoredFeatures } from './stored-features.js';

/** What stored features are made from: a list of examples, some of which may turn out to be bad. */
export interface ExampleSource {
  readonly model: AnyModel;
  readonly firstGroup: number;
  /** Number of places; places of bad examples included. */
  readonly places: number;
  item(place: number): DataItem;
  /** Computes examples; one that is bad by itself gives `error`. */
  compute(places: readonly number[], view: number): Promise<readonly ExtractedItem[]>;
  /** The length of an example, where it is known without computing anything. */
  readonly lengthOf?: (place: number) => number;
  /** What tells an example from others, by content. */
  contentKey(place: number): Promise<Uint8Array | undefined>;
  /** Says what becomes of a bad example. @throws TransferKitError where it stops the run */
  skip(place: number, error: TransferKitError): SkippedItem;
  /** What filling does when it is stopped: `undefined` leaves the rest to be computed when it is read. */
  readonly stopped: (reason: unknown) => TransferKitError | undefined;
  /** @throws TransferKitError `bad-data` where nothing is left */
  readonly assertSome: (skipped: readonly SkippedItem[]) => void;
}

/** Which change a view is; undefined for the example as it is. */
export function viewRequest({ augmentation, seed = 42 }: StoreOptions, view: number): ViewRequest | undefined {
  return view === 0 || augmentation === undefined ? undefined : { augmentation, seed, view };
}

function nothingLeft(data: Dataset, first: SkippedItem | undefined, count: number): TransferKitError {
  if (first === undefined) return new TransferKitError('bad-data', `there is nothing to learn from: ${data.origin} has no examples`);
  return new TransferKitError(
    'bad-data',
    `no example of ${data.origin} could be read; ${count} were skipped.\n  First: ${first.id}: ${first.reason}`,
  );
}

/** Examples of a data set, run from the network's inputs to the border. */
export function datasetSource(model: AnyModel, data: Dataset, firstGroup: number, options: StoreOptions): ExampleSource {
  // Draws of a head that corrupts its inputs come from one stream, which other threads do not have.
  const given = model.head.corrupt === undefined ? options.extractor : undefined;
  const extractor = given ?? createLocalExtractor(model, firstGroup, model.head.corrupt && options.random);
  const item = (place: number): DataItem => data.items[place]!;
  return {
    model,
    firstGroup,
    places: data.length,
    item,
    compute(places, number) {
      const view = viewRequest(options, number);
      return extractor.extract(places.map((place) => ({ item: item(place), ...(view === undefined ? {} : { view }) })));
    },
    contentKey: (place) => contentKey(model, item(place)),
    skip: (place, error) => skipOrThrow(data, item(place).id, error),
    stopped: (cause) =>
      new TransferKitError('aborted', 'stopped while features were computed; nothing was trained and the model is as it was', { cause }),
    assertSome(skipped) {
      if (skipped.length >= data.length) throw nothingLeft(data, skipped[0], skipped.length);
    },
  };
}

/** Stored examples, run on from their border to a later one. */
export function advancedSource(model: AnyModel, store: StoredFeatures, firstGroup: number): ExampleSource {
  const start = bordersOf(model, store.firstGroup);
  const wanted = bordersOf(model, firstGroup);
  const { branches } = model.head;
  async function compute(places: readonly number[], view: number): Promise<ExtractedExample[]> {
    const stored = await store.read(places, view);
    const inputs = stored.flatMap((example) => example.branches.map((arrays) => ({ arrays })));
    const rows = await runExamples(model.base.networks, { start, wanted, adapter: model.adapter }, inputs);
    return stored.map(({ target }, index) => ({
      branches: rows.slice(index * branches, (index + 1) * branches),
      target,
      length: store.lengths[places[index]!]!,
    }));
  }
  return {
    model,
    firstGroup,
    places: store.count,
    item: (place) => store.itemOf(place),
    lengthOf: (place) => store.lengths[place]!,
    compute,
    contentKey: (place) => Promise.resolve(store.contentKeyOf(place)),
    skip: (place, error) => {
      throw badItem(store.itemOf(place).id, error);
    },
    stopped: () => undefined,
    assertSome: () => undefined,
  };
}
