import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { runtime } from '#runtime';
import { expectFailure, expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { averageOf, MovingAverage } from '../../src/training/weight-average.js';

await runtime.chooseBackend('wasm');

const variable = (values: number[]): tf.Variable => tf.tidy(() => tf.variable(tf.tensor1d(values)));
const read = (tensor: tf.Tensor): number[] => [...tensor.dataSync()];

/** One weight, and a function that moves it as training would. */
function moving(decay: number) {
  const weight = variable([1, -1]);
  const average = new MovingAverage([{ name: 'head/kernel', variable: weight }], decay);
  const move = async (values: number[]): Promise<void> => {
    tf.tidy(() => weight.assign(tf.tensor1d(values)));
    await average.update();
  };
  const dispose = (): void => [average, weight].forEach((thing) => thing.dispose());
  return { weight, average, move, dispose };
}

describe('the moving average', () => {
  test('forgets the start fast, then keeps by the decay', async () => {
    const { average, move, dispose } = moving(0.5);
    let wanted = 1;
    for (let update = 0; update < 30; update++) {
      await move([update, 0]);
      const decay = Math.min(0.5, (1 + update) / (10 + update));
      wanted = decay * wanted + (1 - decay) * update;
      expect(read(average.state().tensors.get('head/kernel')!)[0]).toBeCloseTo(wanted, 4);
    }
    expect(average.state().updates).toBe(30);
    dispose();
  });

  test('swaps in and out to the bit, as often as asked', async () => {
    const { weight, average, move, dispose } = moving(0.9);
    await move([0.1, 0.7]);
    const live = read(weight);
    const mean = read(average.state().tensors.get('head/kernel')!);
    average.swapOut();
    expect(read(weight)).toEqual(live);
    average.swapIn();
    average.swapIn();
    expect(read(weight)).toEqual(mean);
    average.swapOut();
    average.swapOut();
    expect(read(weight)).toEqual(live);
    expect(read(average.state().tensors.get('head/kernel')!)).toEqual(mean);
    dispose();
  });

  test('an update while the averages stand in goes by the weights of training', async () => {
    const { weight, average, dispose } = moving(0.9);
    tf.tidy(() => weight.assign(tf.tensor1d([5, 5])));
    average.swapIn();
    expect(read(weight)).toEqual([1, -1]);
    await average.update();
    expect(read(weight)).toEqual([5, 5]);
    expect(read(average.state().tensors.get('head/kernel')!)[0]).toBeCloseTo(0.1 * 1 + 0.9 * 5, 5);
    dispose();
  });

  test('goes on after restoring to the bit', async () => {
    const [one, two] = [moving(0.9), moving(0.9)];
    for (let update = 0; update < 5; update++) await one.move([update / 3, update / 7]);
    const { updates, tensors } = one.average.state();
    const saved = new Map([...tensors].map(([name, tensor]) => [name, tf.tensor(tensor.dataSync(), tensor.shape)]));
    await two.move([9, 9]);
    two.average.swapIn();
    two.average.restore({ updates, tensors: saved });
    expect(read(two.weight)).toEqual([9, 9]);
    tf.dispose([...saved.values()]);
    for (let update = 5; update < 9; update++) for (const { move } of [one, two]) await move([update / 3, update / 7]);
    const [first, second] = [one, two].map(({ average }) => read(average.state().tensors.get('head/kernel')!));
    expect(second).toEqual(first);
    [one, two].forEach(({ dispose }) => dispose());
  });

  test('refuses the state of other weights', async () => {
    const { average, dispose } = moving(0.9);
    const other = tf.zeros([3]);
    await expectFailure(() => average.restore({ updates: 1, tensors: new Map() }), 'weight-mismatch', 'head/kernel (1 of 1 weights)');
    const tensors = new Map([['head/kernel', other as tf.Tensor]]);
    await expectFailure(() => average.restore({ updates: 1, tensors }), 'weight-mismatch', 'head/kernel');
    expect(average.state().updates).toBe(0);
    other.dispose();
    dispose();
  });

  test('leaks nothing', async () => {
    await expectNoLeaks(async () => {
      const { average, move, dispose } = moving(0.9);
      for (let update = 0; update < 5; update++) await move([update, update]);
      average.swapIn();
      average.restore(average.state());
      average.swapIn();
      dispose();
      average.dispose();
    });
  });
});

describe('the mean of several sets', () => {
  test('is that of each tensor', async () => {
    await expectNoLeaks(() => {
      const sets = [1, 2, 6].map(
        (value) =>
          new Map<string, tf.Tensor>([
            ['a', tf.fill([2], value)],
            ['b', tf.scalar(-value)],
          ]),
      );
      const mean = averageOf(sets);
      expect([...mean.keys()]).toEqual(['a', 'b']);
      expect(read(mean.get('a')!)).toEqual([3, 3]);
      expect(read(mean.get('b')!)).toEqual([-3]);
      tf.dispose([...mean.values(), ...sets.flatMap((set) => [...set.values()])]);
    });
  });

  test('of one set is a copy of it', async () => {
    await expectNoLeaks(() => {
      const set = new Map<string, tf.Tensor>([['a', tf.tensor1d([0.1, 0.2])]]);
      const mean = averageOf([set]);
      const values = read(set.get('a')!);
      set.get('a')!.dispose();
      expect(read(mean.get('a')!)).toEqual(values);
      mean.get('a')!.dispose();
    });
  });
});
