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
