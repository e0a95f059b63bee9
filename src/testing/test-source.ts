import { runtime as defaultRuntime } from '#runtime';
import type { Checkpoint, Source, SourceContext } from '../sources/source.js';
import { elementCount } from '../weights/tensor-value.js';
import { check, registerCases, type ConformanceCase, type ConformanceOptions } from './conformance.js';
import { expectFailure, expectNoLeaks } from './expect-no-leaks.js';

/** Options of `testSource`. */
export interface TestSourceOptions extends ConformanceOptions {
  /** Default: this place's runtime and nothing else. */
  readonly context?: SourceContext;
  /** A companion file that the checkpoint has. */
  readonly companion?: string;
}

async function opened<T>(source: Source, context: SourceContext, work: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await source.open(context);
  try {
    return await work(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

async function tensorsAreAsAnnounced(checkpoint: Checkpoint): Promise<void> {
  check(checkpoint.tensors.size > 0, 'the checkpoint has no tensors');
  for (const [name, info] of checkpoint.tensors) {
    const value = await checkpoint.tensor(name);
    check(
      value.shape.join() === info.shape.join(),
      `"${name}" was announced as [${info.shape.join(', ')}] and read as [${value.shape.join(', ')}]`,
    );
    check(
      value.values.length === elementCount(info.shape),
      `"${name}" has ${value.values.length} values for shape [${info.shape.join(', ')}]`,
    );
    check(
      value.values instanceof (info.dtype.startsWith('F') || info.dtype === 'BF16' ? Float32Array : Int32Array),
      `"${name}" (${info.dtype}) has values of the wrong kind`,
    );
  }
}

/** A few of the files that are listed, if any are. */
async function listedFilesAreThere(checkpoint: Checkpoint): Promise<void> {
  for (const name of (checkpoint.names ?? []).slice(0, 5))
    check((await checkpoint.file(name)) !== undefined, `"${name}" is listed and not there`);
}

/** The first tensor, and whether what is written into it shows in a second reading. */
async function readingsAreIndependent(checkpoint: Checkpoint): Promise<void> {
  const [name] = checkpoint.tensors.keys();
  const first = await checkpoint.tensor(name!);
  const kept = first.values[0];
  first.values[0] = (kept ?? 0) + 1;
  check((await checkpoint.tensor(name!)).values[0] === kept, `what was written into "${name}" shows in the next reading`);
}

async function sameContentSameRevision(source: Source, context: SourceContext): Promise<void> {
  const [one, two] = await Promise.all([1, 2].map(() => opened(source, context, (checkpoint) => Promise.resolve(checkpoint.revision))));
  check(one !== '' && one === two, `two openings gave the revisions "${one}" and "${two}"`);
}

async function closingIsFinal(source: Source, context: SourceContext): Promise<void> {
  const checkpoint = await source.open(context);
  const [name] = checkpoint.tensors.keys();
  await checkpoint.close();
  await checkpoint.close();
  await expectFailure(() => checkpoint.tensor(name!), 'disposed');
}

async function leavesNoTensor({ runtime }: SourceContext, work: () => Promise<void>): Promise<void> {
  await runtime.chooseBackend();
  await expectNoLeaks(work);
}

/** The cases of the source contract. */
export function sourceCases(
  source: Source,
  { context = { runtime: defaultRuntime }, companion }: TestSourceOptions = {},
): ConformanceCase[] {
  const use = (work: (checkpoint: Checkpoint) => Promise<void>) => () => opened(source, context, work);
  return [
    { name: 'every tensor is as announced', run: use(tensorsAreAsAnnounced) },
    { name: 'readings are independent', run: use(readingsAreIndependent) },
    {
      name: 'an unknown tensor is refused by name',
      run: use(async (checkpoint) => {
        await expectFailure(() => checkpoint.tensor('no/such/tensor'), 'not-found', 'no/such/tensor');
      }),
    },
    { name: 'files that are listed are there', run: use(listedFilesAreThere) },
    {
      name: 'a file that is not there is undefined',
      run: use(async (checkpoint) => check((await checkpoint.file('no-such-file.txt')) === undefined, 'a missing file was found')),
    },
    {
      name: 'a path out of the checkpoint is undefined',
      run: use(async (checkpoint) => check((await checkpoint.file('../package.json')) === undefined, 'a path led out of the checkpoint')),
    },
    ...(companion === undefined
      ? []
      : [
          {
            name: 'companion files are read',
            run: use(async (checkpoint) => check(((await checkpoint.file(companion))?.length ?? 0) > 0, `"${companion}" was not found`)),
          },
        ]),
    { name: 'same content, same revision', run: () => sameContentSameRevision(source, context) },
    { name: 'closing is final and may be repeated', run: () => closingIsFinal(source, context) },
    { name: 'leaves no tensor', run: () => leavesNoTensor(context, use(tensorsAreAsAnnounced)) },
  ];
}

/** Registers the conformance suite of a source with your test runner. */
export function testSource(source: Source, options: TestSourceOptions = {}): void {
  registerCases(source.name, sourceCases(source, options), options);
}
