import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runtime } from '#runtime';
import { expectFailure, expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { besideAdamw, checkOptimizer, optimizerNames, type OptimizerRecipe } from '../../src/training/optimizer-recipe.js';
import { Optimizer, type OptimizerOptions, type OptimizerState } from '../../src/training/optimizer.js';
import { updateRule, type Slots } from '../../src/training/optimizers/update-rule.js';
import type { LearningWeight } from '../../src/training/weight-set.js';

await runtime.chooseBackend('wasm');

type Values = Readonly<Record<string, tf.TensorLike>>;

interface Golden {
  readonly start: Values;
  readonly gradients: readonly Values[];
  readonly cases: readonly {
    readonly recipe: OptimizerRecipe;
    readonly decay: number;
    readonly settings: readonly { readonly rate: number; readonly momentum?: number }[];
    readonly expected: Readonly<Record<string, Values>>;
  }[];
}

const golden = JSON.parse(readFileSync(new URL('../golden/training/optimizers.json', import.meta.url), 'utf8')) as Golden;

/** Largest difference between a tensor and numbers of the same shape; relative to those above 1, which have fewer digits behind the point. */
const distance = (tensor: tf.Tensor, expected: tf.TensorLike): number =>
  tf.tidy(() => {
    const wanted = tf.tensor(expected);
    return tf.max(tf.div(tf.abs(tf.sub(tensor, wanted)), tf.maximum(tf.abs(wanted), 1))).dataSync()[0]!;
  });

describe('every optimiser takes the steps of its reference', () => {
  const named = golden.cases.map((one) => ({
    ...one,
    name: `${JSON.stringify(one.recipe)}, decay ${one.decay}${one.settings[0]!.momentum === undefined ? '' : ', momentum that turns'}`,
  }));

  test.each(named)('$name', ({ recipe, decay, settings, expected }) => {
    const rule = updateRule(recipe);
    for (const [name, start] of Object.entries(golden.start)) {
      tf.tidy(() => {
        let weight: tf.Tensor = tf.tensor(start);
        let slots: Slots = rule.slots(weight);
        settings.forEach((setting, index) => {
          const factors = rule.factors({ ...setting, step: index + 1 }).map((factor) => tf.scalar(factor));
          const updated = rule.update(weight, slots, tf.tensor(golden.gradients[index]![name]!), factors);
          weight = tf.sub(tf.mul(weight, 1 - setting.rate * decay), updated.move);
          slots = updated.slots;
          const wanted = expected[index + 1];
          if (wanted !== undefined) expect(distance(weight, wanted[name]!), `${name} after step ${index + 1}`).toBeLessThan(1e-6);
        });
      });
    }
  });

  test('all of them are checked, on a vector, a matrix and a kernel of four axes', () => {
    expect(new Set(golden.cases.map(({ recipe }) => recipe.name))).toEqual(new Set(optimizerNames));
    expect(Object.values(golden.start).map((value) => tf.tidy(() => tf.tensor(value).rank))).toEqual([1, 2, 4]);
    expect(Object.keys(besideAdamw)).toEqual(optimizerNames);
  });
});

/** Two weights with rates of their own; the bias does not decay. */
function twoWeights() {
  const [kernel, bias] = tf.tidy(() => [
    tf.variable(tf.tensor2d([1, -2, 3, 0.5, -0.25, 2], [3, 2])),
    tf.variable(tf.tensor1d([0.5, -0.5])),
  ]) as [tf.Variable, tf.Variable];
  const weights: LearningWeight[] = [
    { variable: kernel, name: 'base/dense/kernel', part: 'base', decays: true, rateIndex: 1 },
    { variable: bias, name: 'head/dense/bias', part: 'head', decays: false, rateIndex: 0 },
  ];
  const dispose = (): void => tf.dispose([kernel, bias]);
  const read = (): number[] => [...kernel.dataSync(), ...bias.dataSync()];
  return { weights, kernel, bias, read, dispose };
}

/** Gradients of step `seed`, handed over and disposed. */
function withGradients<T>(weights: readonly LearningWeight[], seed: number, use: (gradients: Map<tf.Variable, tf.Tensor>) => T): T {
  const gradients = new Map(
    weights.map(({ variable }, index) => [variable, tf.randomNormal(variable.shape, 0, 1, 'float32', 1 + seed * 10 + index) as tf.Tensor]),
  );
  try {
    return use(gradients);
  } finally {
    tf.dispose([...gradients.values()]);
  }
}

const rates = { rates: [0.1, 0.01], decay: 0.5 };
const optimizer = (weights: readonly LearningWeight[], options: Partial<OptimizerOptions> = {}): Optimizer =>
  new Optimizer(weights, { recipe: { name: 'adamw' }, gradientClip: 0, accumulate: 1, ...options });

describe('the optimiser', () => {
  test('gives each weight its own rate, decays only those that decay, and leaves one without a gradient', () => {
    const { weights, kernel, bias, dispose } = twoWeights();
    const sgd = optimizer(weights, { recipe: { name: 'sgd', momentum: 0 } });
    const gradient = tf.ones([3, 2]);
    const one = tf.ones([2]);
    sgd.apply(new Map<tf.Variable, tf.Tensor>([[kernel, gradient], [bias, one]]), rates); // prettier-ignore
    expect(kernel.dataSync()[0]).toBeCloseTo(1 * (1 - 0.01 * 0.5) - 0.01, 6);
    expect(bias.dataSync()[0]).toBeCloseTo(0.5 - 0.1, 6);
    const before = bias.dataSync()[0];
    sgd.apply(new Map<tf.Variable, tf.Tensor>([[kernel, gradient]]), rates);
    expect(bias.dataSync()[0]).toBe(before);
    sgd.dispose();
    tf.dispose([gradient, one]);
    dispose();
  });

  test('shortens the gradient to the limit, over all weights together', () => {
    const { weights, kernel, bias, dispose } = twoWeights();
    const clipped = optimizer(weights, { recipe: { name: 'sgd', momentum: 0 }, gradientClip: 1 });
    const before = twoWeights();
    const gradients = [tf.fill([3, 2], 3), tf.fill([2], 3)] as const;
    clipped.apply(new Map<tf.Variable, tf.Tensor>([[kernel, gradients[0]], [bias, gradients[1]]]), { rates: [1, 1], decay: 0 }); // prettier-ignore
    expect(kernel.dataSync()[0]! - before.kernel.dataSync()[0]!).toBeCloseTo(-1 / Math.sqrt(8), 4);
    expect(bias.dataSync()[0]! - before.bias.dataSync()[0]!).toBeCloseTo(-1 / Math.sqrt(8), 4);
    clipped.dispose();
    tf.dispose([...gradients]);
    before.dispose();
    dispose();
  });

  test.each(optimizerNames)('%s: gathered gradients move the weights as their mean does', (name) => {
    const gathered = twoWeights();
    const direct = twoWeights();
    const slow = optimizer(gathered.weights, { recipe: { name }, gradientClip: 1, accumulate: 3 });
    const fast = optimizer(direct.weights, { recipe: { name }, gradientClip: 1 });
    for (let round = 0; round < 3; round++) {
      const moved = [0, 1, 2].map((part) => withGradients(gathered.weights, round * 3 + part, (gradients) => slow.apply(gradients, rates)));
      expect(moved).toEqual([false, false, true]);
      const means = new Map(
        direct.weights.map(({ variable }, index) => {
          const parts = [0, 1, 2].map((part) => tf.randomNormal(variable.shape, 0, 1, 'float32', 1 + (round * 3 + part) * 10 + index));
          return [variable, tf.tidy(() => tf.div(tf.addN(parts), 3))] as const;
        }),
      );
      fast.apply(means, rates);
    }
    gathered.read().forEach((value, index) => expect(value).toBeCloseTo(direct.read()[index]!, 5));
    slow.dispose();
    fast.dispose();
  });

  test('flush moves on what is left, and on nothing when nothing is', () => {
    const { weights, read, dispose } = twoWeights();
    const other = twoWeights();
    const gathering = optimizer(weights, { accumulate: 4 });
    const direct = optimizer(other.weights);
    expect(withGradients(weights, 5, (gradients) => gathering.apply(gradients, rates))).toBe(false);
    expect(gathering.state().pending).toBe(1);
    expect(gathering.flush(rates)).toBe(true);
    withGradients(other.weights, 5, (gradients) => direct.apply(gradients, rates));
    expect(read()).toEqual(other.read());
    const before = read();
    expect(gathering.flush(rates)).toBe(false);
    expect(read()).toEqual(before);
    expect(gathering.state()).toMatchObject({ step: 1, pending: 0 });
    gathering.dispose();
    direct.dispose();
    other.dispose();
    dispose();
  });

  test('leaks nothing, with and without gathering', async () => {
    for (const name of optimizerNames) {
      await expectNoLeaks(async () => {
        const { weights, dispose } = twoWeights();
        for (const accumulate of [1, 2]) {
          const one = optimizer(weights, { recipe: { name }, gradientClip: 1, accumulate });
          for (let step = 0; step < 5; step++) withGradients(weights, step, (gradients) => one.apply(gradients, rates));
          one.dispose();
          one.dispose();
        }
        dispose();
      });
    }
  });
});

/** A state as it comes from a file: other tensors with the same bytes. */
const copied = ({ step, pending, tensors }: OptimizerState): OptimizerState => ({
  step,
  pending,
  tensors: new Map([...tensors].map(([name, tensor]) => [name, tf.tensor(tensor.dataSync(), tensor.shape)])),
});

describe('the state of an optimiser', () => {
  test.each(optimizerNames.flatMap((name) => [1, 3].map((accumulate) => ({ name, accumulate }))))(
    '$name, $accumulate batches a move: after restoring, the next steps are the same to the bit',
    async ({ name, accumulate }) => {
      await expectNoLeaks(async () => {
        const [one, two] = [twoWeights(), twoWeights()];
        const first = optimizer(one.weights, { recipe: { name }, gradientClip: 1, accumulate });
        const steps = (from: number, to: number, weights: readonly LearningWeight[], target: Optimizer): void => {
          for (let step = from; step < to; step++)
            withGradients(weights, step, (gradients) => target.apply(gradients, { ...rates, momentum: 0.9 - step / 100 }));
        };
        steps(0, 7, one.weights, first);
        const state = copied(first.state());
        expect(state.pending).toBe(accumulate === 1 ? 0 : 1);
        one.weights.forEach(({ variable }, index) => two.weights[index]!.variable.assign(variable));
        const second = optimizer(two.weights, { recipe: { name }, gradientClip: 1, accumulate });
        steps(0, 2, two.weights, second); // what it did before is forgotten
        one.weights.forEach(({ variable }, index) => two.weights[index]!.variable.assign(variable));
        second.restore(state);
        second.restore(second.state());
        tf.dispose([...state.tensors.values()]);
        steps(7, 20, one.weights, first);
        steps(7, 20, two.weights, second);
        expect(two.read()).toEqual(one.read());
        expect([...second.state().tensors.keys()]).toEqual([...first.state().tensors.keys()]);
        expect(second.state()).toMatchObject({ step: first.state().step, pending: first.state().pending });
        [first, second, one, two].forEach((thing) => thing.dispose());
      });
    },
  );

  test('names its tensors by weight and slot', () => {
    const { weights, dispose } = twoWeights();
    const gathering = optimizer(weights, { recipe: { name: 'adafactor' }, accumulate: 2 });
    expect(gathering.state().tensors.size).toBe(0);
    for (let step = 0; step < 3; step++) withGradients(weights, step, (gradients) => gathering.apply(gradients, rates));
    expect([...gathering.state().tensors].map(([name, { shape }]) => [name, shape])).toEqual([
      ['base/dense/kernel/rows', [3, 1]],
      ['base/dense/kernel/columns', [1, 2]],
      ['base/dense/kernel/pending', [3, 2]],
      ['head/dense/bias/square', [2]],
      ['head/dense/bias/pending', [2]],
    ]);
    gathering.dispose();
    dispose();
  });

  test('of other weights or another optimiser is refused, each difference named, and nothing changes', async () => {
    const { weights, dispose } = twoWeights();
    const one = optimizer(weights);
    withGradients(weights, 0, (gradients) => one.apply(gradients, rates));
    const before = one.state();
    const tensors = new Map<string, tf.Tensor>([
      ['base/dense/kernel/mean', tf.zeros([2, 3])],
      ['base/dense/kernel/square', tf.zeros([3, 2])],
      ['head/dense/bias/mean', tf.zeros([2])],
      ['head/dense/bias/velocity', tf.zeros([2])],
    ]);
    const attempt = (): void => one.restore({ step: 3, pending: 0, tensors });
    await expectFailure(attempt, 'weight-mismatch', 'kernel/mean  expected [3,2]  received [2,3]');
    await expectFailure(attempt, 'weight-mismatch', 'bias/square  missing');
    await expectFailure(attempt, 'weight-mismatch', 'bias/velocity  unknown');
    expect(one.state()).toEqual(before);
    one.dispose();
    tf.dispose([...tensors.values()]);
    dispose();
  });
});

describe('a recipe that cannot be', () => {
  test.each([
    [{ name: 'adam' }, 'no optimiser "adam". Did you mean "adamw"?'],
    [{}, 'no optimiser "undefined"'],
    [{ name: 'sgd', momentun: 0.9 }, 'Did you mean "momentum"?'],
    [{ name: 'adamw', beta1: 1 }, 'optimizer.beta1 of adamw must be from 0 to below 1.\n  Received: 1'],
    [{ name: 'adamw', epsilon: 0 }, 'epsilon of adamw must be above 0'],
    [{ name: 'sgd', nesterov: 'yes' }, 'must be true or false'],
    [{ name: 'sgd', momentum: 0, nesterov: true }, 'nesterov needs momentum'],
    [{ name: 'adafactor', beta2Decay: 0.8 }, 'must be below 0'],
    [{ name: 'adafactor', clip: 0.5 }, 'must be 1 or more'],
  ])('%j is refused', async (recipe, message) => {
    await expectFailure(() => checkOptimizer(recipe as OptimizerRecipe), 'bad-option', message);
  });

  test.each(golden.cases.map(({ recipe }) => recipe))('%j is taken', (recipe) => {
    expect(() => checkOptimizer(recipe)).not.toThrow();
  });
});
