import { tryReadItem, type ReadItem } from '../inference/read-items.js';
import { runExamples } from '../inference/run-examples.js';
import type { TransferKitError } from '../errors.js';
import type { Random } from '../common/random.js';
import { inOrder } from '../inputs/encode.js';
import type { AnyModel } from '../training/weight-set.js';
import { bordersOf } from './borders.js';
import type { ExtractedExample, ExtractedItem, ExtractionJob, Extractor } from './extractor.js';

/** Bytes of encoded inputs that are run together: some fifty photos, or as many texts as are asked for. */
const encodedBytes = 32 * 2 ** 20;

const bytesOf = ({ branches }: ReadItem): number =>
  branches.reduce((sum, { arrays }) => sum + arrays.reduce((bytes, { values }) => bytes + values.byteLength, 0), 0);

/** Runs the part in front of the border over some examples. */
async function runItems(model: AnyModel, firstGroup: number, items: readonly ReadItem[]): Promise<ExtractedExample[]> {
  const { branches } = model.head;
  const { networks, parts } = model.base;
  const part = { start: parts.built.model.inputs, wanted: bordersOf(model, firstGroup), adapter: model.adapter };
  const rows = await runExamples(
    networks,
    part,
    items.flatMap((item) => item.branches),
  );
  return items.map((item, index) => ({
    branches: rows.slice(index * branches, (index + 1) * branches),
    target: item.target,
    length: Math.max(...item.branches.map((input) => input.length)),
  }));
}

/** Jobs of one call, in the order they were given. */
class Extraction {
  readonly done: ExtractedItem[] = [];
  #waiting: { readonly place: number; readonly item: ReadItem }[] = [];
  #bytes = 0;
  #place = 0;

  constructor(
    private readonly model: AnyModel,
    private readonly firstGroup: number,
  ) {}

  async add(read: ReadItem | { readonly error: TransferKitError }): Promise<void> {
    const place = this.#place++;
    if ('error' in read) this.done[place] = read;
    else {
      this.#waiting.push({ place, item: read });
      this.#bytes += bytesOf(read);
    }
    if (this.#bytes >= encodedBytes) await this.flush();
  }

  async flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    const examples = await runItems(
      this.model,
      this.firstGroup,
      waiting.map(({ item }) => item),
    );
    waiting.forEach(({ place }, index) => (this.done[place] = examples[index]!));
  }
}

/**
 * Reads examples and computes what crosses a border, in this thread.
 * @param firstGroup the border: groups before it are computed
 * @param random draws for heads that corrupt their inputs
 */
export function createLocalExtractor(model: AnyModel, firstGroup: number, random?: Random): Extractor {
  async function extract(jobs: readonly ExtractionJob[]): Promise<ExtractedItem[]> {
    model.assertUsable();
    const extraction = new Extraction(model, firstGroup);
    const read = (index: number) => tryReadItem(model, jobs[index]!.item, { view: jobs[index]!.view, random });
    // Draws must come in the order of the jobs, so a head that draws is read one example at a time.
    for await (const item of inOrder(jobs.length, read, random === undefined ? undefined : 1)) await extraction.add(item);
    await extraction.flush();
    return extraction.done;
  }
  return { extract, close: () => Promise.resolve() };
}
