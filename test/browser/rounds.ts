import { addHead, classification, fineTune, loadModel, type Runtime } from '../../src/index.js';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinySamples } from '../../src/testing/tiny-model.js';

/** Builds, trains two epochs, predicts, saves, loads and predicts the same; nothing is left. */
async function round(family: AnyBackbone, runtime: Runtime, backend: string): Promise<void> {
  await runtime.chooseBackend(backend);
  await expectNoLeaks(async () => {
    const samples = tinySamples(family);
    const inputs = samples.items.map((item) => item.input);
    const model = addHead(await tinyBase(family, runtime), classification(['even', 'odd']), { seed: 5 });
    const { history } = await fineTune(
      model,
      samples as never,
      { epochs: 2, headEpochs: 1, batchSize: 4, validation: 0, unfreeze: 'all' } as never,
    );
    check(history.epochs.length >= 2, `expected 2 epochs, received ${history.epochs.length}`);
    check(
      history.epochs.every(({ loss }) => Number.isFinite(loss)),
      'a loss is not a number',
    );
    const before = await model.predict(inputs as never);
    await model.save(`models/${family.name}-${backend}`);
    model.dispose();
    const loaded = await loadModel(`models/${family.name}-${backend}`, { runtime, backbones: [family] });
    const after = await loaded.predict(inputs as never);
    loaded.dispose();
    check(JSON.stringify(before) === JSON.stringify(after), 'the model that was saved and loaded predicts something else');
  });
}

/** One case for each family and backend. */
export const roundCases = (families: readonly AnyBackbone[], runtime: Runtime, backends: readonly string[]): ConformanceCase[] =>
  backends.flatMap((backend) =>
    families.map((family) => ({
      name: `${family.name} is trained, saved and loaded on ${backend}, without a leak`,
      run: () => round(family, runtime, backend),
    })),
  );
