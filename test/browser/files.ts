import { runtime } from '../../src/runtimes/web.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';

const here = (path: string): string => new URL(path, location.origin).href;
const size = 3 << 20;
const words = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function readsByRange(address: string): Promise<void> {
  const file = (await runtime.openFile(address))!;
  check(file.size === size, `expected ${size} bytes, received ${file.size}`);
  for (const [start, end] of [
    [0, 10],
    [1_000_000, 2_000_000],
    [size - 5, size],
    [7, 7],
  ] as const) {
    const bytes = await file.read(start, end);
    check(bytes.length === end - start, `bytes ${start} to ${end} came as ${bytes.length}`);
    check(
      bytes.every((byte, index) => byte === (start + index) % 251),
      `bytes ${start} to ${end} are wrong`,
    );
  }
  await expectFailure(() => file.read(0, size + 1), 'corrupt-file', `${size} bytes`);
}

async function absentFiles(): Promise<void> {
  for (const path of [here('/nothing'), '/nothing', 'nothing/at/all', here('/application/x.json'), '../..', '']) {
    const file = await runtime.openFile(path);
    check(file === undefined, `"${path}" was found`);
  }
  check((await runtime.listFolder(here('/picture'))) === undefined, 'a web address was listed as a folder');
  await expectFailure(() => runtime.openFile(here('/status/401')), 'unauthorized', '401');
  await expectFailure(() => runtime.openFile(here('/status/500')), 'network', '500');
  await expectFailure(() => runtime.openFile('http://127.0.0.1:1/x'), 'network', '127.0.0.1:1', 'CORS');
}

function joinsPaths(): Promise<void> {
  const pairs: readonly (readonly [parts: readonly string[], joined: string])[] = [
    [['a', 'b'], 'a/b'],
    [['file://a', './b', '../c'], 'a/c'],
    [['/a/', '../../b'], '/b'],
    [['.'], '.'],
    [['..', 'a'], '../a'],
    [['https://host/x/y?key=1', '../z.json'], 'https://host/x/z.json?key=1'],
    [['https://host/x/model.json?key=1'], 'https://host/x/model.json?key=1'],
  ];
  for (const [parts, joined] of pairs) {
    const received = runtime.joinPath(...parts);
    check(received === joined, `${parts.join(' + ')} gave "${received}", expected "${joined}"`);
  }
  return Promise.resolve();
}

async function refusesNames(): Promise<void> {
  for (const name of ['../out', '/out', 'a//b', ''])
    await expectFailure(() => runtime.writeFolder('folder', new Map([[name, bytesOf('x')]])), 'bad-option', 'outside its folder');
  await expectFailure(() => runtime.writeFolder('https://host/model', new Map()), 'unsupported', 'https://host/model');
  await expectFailure(() => runtime.writeFolder('a/../b', new Map()), 'storage', 'a/../b');
}

/** Runs work in a page that lacks something. */
async function lacking(target: object, member: string, work: () => Promise<unknown>): Promise<void> {
  Object.defineProperty(target, member, { value: undefined, configurable: true });
  try {
    await work();
  } finally {
    Reflect.deleteProperty(target, member); // the browser's own one is inherited
  }
}

async function tellsWhatIsMissing(): Promise<void> {
  await lacking(navigator.storage, 'getDirectory', async () => {
    await expectFailure(() => runtime.writeFolder('folder', new Map()), 'unsupported', 'private file system', 'https');
    check((await runtime.listFolder('folder')) === undefined, 'a folder was found without a file system');
  });
  await lacking(crypto, 'subtle', () => expectFailure(() => runtime.sha256(bytesOf('abc')), 'unsupported', 'SHA-256', 'https'));
}

async function fullDisk(): Promise<void> {
  await runtime.writeFolder('full', new Map([['a.txt', bytesOf('old')]]));
  const { createWritable } = FileSystemFileHandle.prototype;
  FileSystemFileHandle.prototype.createWritable = () => Promise.reject(new DOMException('no room', 'QuotaExceededError'));
  try {
    await expectFailure(() => runtime.writeFolder('full', new Map([['a.txt', bytesOf('new')]])), 'storage', 'quota', 'full');
  } finally {
    FileSystemFileHandle.prototype.createWritable = createWritable;
  }
  const file = (await runtime.openFile('full/a.txt'))!;
  check(words(await file.read(0, file.size)) === 'old', 'the old folder was lost');
}

export const fileCases: readonly ConformanceCase[] = [
  { name: 'a file of a server that knows ranges', run: () => readsByRange(here('/ranged/large')) },
  { name: 'a file of a server that does not', run: () => readsByRange(here('/whole/large')) },
  {
    name: 'an empty file, a data and a blob address, and a file beside the page',
    run: async () => {
      check((await runtime.openFile(here('/ranged/empty')))?.size === 0, 'the empty file is not empty');
      const text = 'twelve bytes';
      for (const address of [`data:,${encodeURIComponent(text)}`, URL.createObjectURL(new Blob([text]))]) {
        const file = (await runtime.openFile(address))!;
        check(words(await file.read(7, file.size)) === 'bytes', `${address.slice(0, 5)} reads wrong`);
      }
      check((await runtime.openFile('/picture/rgb.png'))!.size > 0, 'a picture beside the page was not found');
    },
  },
  { name: 'what is not there is undefined, what is broken is an error', run: absentFiles },
  { name: 'paths are joined', run: joinsPaths },
  { name: 'names that leave the folder, and web addresses, are refused', run: refusesNames },
  { name: 'a page that is not secure is told what it lacks', run: tellsWhatIsMissing },
  { name: 'a full disk leaves the old folder as it was', run: fullDisk },
];
