/** Fills a feature store, one message a chunk, until its parent kills it. Arguments: folder of the cache, number of texts. */
import { runtime } from '../../src/runtimes/node.js';
import { bert } from '../../src/backbones/bert.js';
import { tinyModel } from '../../src/testing/tiny-model.js';
import { createFeatureStore } from '../../src/training/feature-store.js';
import { drawnTexts, range } from './drawn-data.js';

const [directory = '', count = '0'] = process.argv.slice(2);
await runtime.chooseBackend('wasm');
const model = await tinyModel(bert, runtime);
const disk = { directory, worthMilliseconds: 0 };
const onItems = (done: number): void => void process.send?.(done);
await createFeatureStore(model, drawnTexts(range(0, Number(count))), model.base.groups.length, { budget: 0, disk, onItems });
