import * as tf from '@tensorflow/tfjs-core';
import type { Runtime } from '../runtimes/runtime.js';
import { check, registerCases, type ConformanceCase, type ConformanceOptions } from './conformance.js';
import { expectFailure } from './expect-no-leaks.js';
import { fileCases } from './runtime-files.js';

/** Options of `testRuntime`. */
export interface TestRuntimeOptions extends ConformanceOptions {
  /** A folder's path that may be written. Where absent, the file cases are left out. */
  readonly folder?: string;
  /** An encoded picture and its size. */
  readonly picture?: { readonly bytes: Uint8Array; readonly width: number; readonly height: number };
  /** tfjs backends that must be had here. */
  readonly backends?: readonly string[];
}

const limits = { maxBytes: 1e8, maxPixels: 1e8 };
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

/** Chooses a backend and differentiates a small function on it. */
async function backendLearns(runtime: Runtime, name?: string): Promise<void> {
  const choice = await runtime.chooseBackend(name);
  check(name === undefined || choice.backend === name, `asked for ${name}, received ${choice.backend}`);
  check(tf.getBackend() === choice.backend, `tfjs runs on ${tf.getBackend()}, the runtime says ${choice.backend}`);
  check(
    choice.trials.some((trial) => trial.chosen && trial.reason !== ''),
    'the choice gives no reason',
  );
  const gradient = tf.tidy(() =>
    tf
      .grad((x: tf.Tensor) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2, 3]))
      .dataSync(),
  );
  check([...gradient].join() === '2,4,6', `the gradient of a sum of squares is wrong on ${choice.backend}: ${[...gradient].join(', ')}`);
  check(runtime.describe().includes(choice.backend), 'describe() does not name the backend');
}

/** A sum is watched: both of its operands are there at once, and nothing is left. */
async function watchesMemory(runtime: Runtime): Promise<void> {
  await runtime.chooseBackend();
  const memory = runtime.memory?.();
  if (memory === undefined) return;
  const work = () => tf.dispose(tf.tidy(() => tf.add(tf.zeros([1000]), tf.ones([1000]))));
  const { peak, last } = memory.watch(work);
  check(peak >= 8000 && last <= peak && peak < memory.limit, `adding 1000 numbers filled ${peak} bytes, ${last} of them at the end`);
  const again = memory.watch(work);
  check(again.peak <= peak, `the same again filled ${again.peak} bytes instead of ${peak}`);
  const other = new Error('something else');
  check(memory.explain(other) === other, 'an error that has nothing to do with memory was changed');
}

/** ONNX Runtime is there, with threads to compute with, or one line says why not. */
async function findsOnnxRuntime(runtime: Runtime): Promise<void> {
  const found = await runtime.loadOnnxRuntime?.({ threads: 1 });
  if (found === undefined) return;
  if ('missing' in found) return check(/^[^\n]+$/.test(found.missing), `what is missing is not told in one line: ${found.missing}`);
  check(found.session.intraOpNumThreads === 1, `one thread was asked for, received ${found.session.intraOpNumThreads}`);
  check(typeof found.runtime.InferenceSession.create === 'function' && / \d/.test(found.name), 'what was found is not ONNX Runtime');
  check(runtime.describe().includes(found.name), 'describe() does not name it');
  await expectFailure(async () => await runtime.loadOnnxRuntime?.({ own: {} }), 'bad-option', 'onnxRuntime');
}

async function foldersAppearWhole(runtime: Runtime, folder: string): Promise<void> {
  const path = runtime.joinPath(folder, 'model');
  await runtime.writeFolder(
    path,
    new Map([
      ['a.txt', text('first')],
      ['b.txt', text('old')],
    ]),
  );
  await runtime.writeFolder(path, new Map([['a.txt', text('second')]]));
  const names = (await runtime.listFolder(path))?.map((entry) => entry.name);
  check(names?.join() === 'a.txt', `a folder that was written again holds ${names?.join(', ')}`);
  const file = await runtime.openFile(runtime.joinPath(path, 'a.txt'));
  check(new TextDecoder().decode(await file!.read(0, file!.size)) === 'second', 'the second writing is not what is read');
  check(new TextDecoder().decode(await file!.read(1, 4)) === 'eco', 'a range of the file is wrong');
  const beside = (await runtime.listFolder(folder))?.map((entry) => entry.name);
  check(beside?.join() === 'model', `temporary files were left: ${beside?.join(', ')}`);
}

async function absenceIsUndefined(runtime: Runtime, folder: string): Promise<void> {
  check((await runtime.openFile(runtime.joinPath(folder, 'nothing.txt'))) === undefined, 'a missing file was found');
  check((await runtime.listFolder(runtime.joinPath(folder, 'nothing'))) === undefined, 'a missing folder was found');
}

async function decodesPictures(runtime: Runtime, picture: NonNullable<TestRuntimeOptions['picture']>): Promise<void> {
  const image = await runtime.decodeImage(picture.bytes, 'picture', limits);
  check(
    image.width === picture.width && image.height === picture.height,
    `expected ${picture.width} x ${picture.height}, received ${image.width} x ${image.height}`,
  );
  check(image.data.length === image.width * image.height * 3, 'pixels are not RGB');
  await expectFailure(() => runtime.decodeImage(text('not a picture'), 'words.jpg', limits), 'corrupt-file', 'words.jpg');
  await expectFailure(() => runtime.decodeImage(picture.bytes, 'large.jpg', { ...limits, maxPixels: 1 }), 'too-large', 'large.jpg');
  await expectFailure(() => runtime.decodeImage(picture.bytes, 'heavy.jpg', { ...limits, maxBytes: 1 }), 'too-large', 'heavy.jpg');
}

async function encodesPictures(runtime: Runtime): Promise<void> {
  const data = Uint8Array.from({ length: 5 * 3 * 3 }, (_, index) => (index * 41) % 256);
  const again = await runtime.decodeImage(await runtime.encodeImage!({ width: 5, height: 3, data }), 'picture', limits);
  check(again.width === 5 && again.height === 3, `a picture of 5 x 3 was encoded as ${again.width} x ${again.height}`);
  check([...again.data].join() === [...data].join(), 'an encoded picture has other pixels');
}

async function hashes(runtime: Runtime): Promise<void> {
  const hash = await runtime.sha256(text('abc'));
  check(hash === 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', `SHA-256 of "abc" is given as ${hash}`);
}

/** The cases of the runtime contract. */
export function runtimeCases(runtime: Runtime, { folder, picture, backends = [] }: TestRuntimeOptions = {}): ConformanceCase[] {
  return [
    { name: 'chooses a backend that learns', run: () => backendLearns(runtime) },
    ...backends.map((name) => ({ name: `can be told to use ${name}`, run: () => backendLearns(runtime, name) })),
    {
      name: 'refuses an unknown backend by name',
      run: async () => {
        await expectFailure(() => runtime.chooseBackend('abacus'), 'unknown-name', 'abacus');
      },
    },
    { name: 'watches the memory of a backend that has a limit', run: () => watchesMemory(runtime) },
    { name: 'finds ONNX Runtime, or says in one line that it is not here', run: () => findsOnnxRuntime(runtime) },
    { name: 'hashes', run: () => hashes(runtime) },
    ...(folder === undefined
      ? []
      : [
          { name: 'folders appear whole and are replaced whole', run: () => foldersAppearWhole(runtime, folder) },
          { name: 'what is not there is undefined', run: () => absenceIsUndefined(runtime, folder) },
          ...fileCases(runtime, folder),
        ]),
    ...(picture === undefined
      ? []
      : [{ name: 'decodes pictures, and refuses what is none or too large', run: () => decodesPictures(runtime, picture) }]),
    ...(runtime.encodeImage === undefined ? [] : [{ name: 'encodes pictures without a loss', run: () => encodesPictures(runtime) }]),
  ];
}

/** Registers the conformance suite of a runtime with your test runner. */
export function testRuntime(runtime: Runtime, options: TestRuntimeOptions = {}): void {
  registerCases(`runtime ${runtime.name}`, runtimeCases(runtime, options), options);
}
