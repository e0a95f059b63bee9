import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { betaSample } from '../../src/training/beta-sample.js';
import { checkMix, mixBatch, type MixableBatch } from '../../src/training/mix.js';
import { expectError } from '../data/expect-error.js';

beforeAll(() => tf.setBackend('cpu'));

const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** Example k has the feature k, the class k and the weight k + 1. */
function batch(count = 6, branches: readonly (readonly tf.Tensor[])[] = [[tf.range(0, count)]]): MixableBatch {
  return { branches, targets: [tf.oneHot(tf.range(0, count, 1, 'int32'), count)], weights: tf.range(1, count + 1) as tf.Tensor1D };
}

/** Every pixel of example k is k. */
const maps = (count: number, height: number, width: number, channels = 2): tf.Tensor =>
  tf.mul(tf.reshape(tf.range(0, count), [count, 1, 1, 1]), tf.ones([count, height, width, channels]));

/** Who was mixed in, told by the targets. */
const partners = (targets: tf.Tensor, share: number): number[] =>
  (targets.arraySync() as number[][]).map((row, own) => {
    const other = row.findIndex((part, label) => label !== own && part > 0);
    return other === -1 || share === 1 ? own : other;
  });

describe('Beta numbers', () => {
  it.each([0.01, 0.2, 0.4, 1, 2, 30])('have the mean, the variance and the symmetry of Beta(%d, %d)', (alpha) => {
    const random = createRandom(11);
    const drawn = Array.from({ length: 20_000 }, () => betaSample(alpha, random));
    expect(drawn.every((number) => number >= 0 && number <= 1)).toBe(true);
    expect(mean(drawn)).toBeCloseTo(0.5, 1);
    const variance = 1 / (4 * (2 * alpha + 1));
    expect(mean(drawn.map((number) => (number - 0.5) ** 2)) / variance).toBeGreaterThan(0.95);
    expect(mean(drawn.map((number) => (number - 0.5) ** 2)) / variance).toBeLessThan(1.05);
    const fourth = (3 * variance ** 2 * (2 * alpha + 1)) / (2 * alpha + 3);
    expect(mean(drawn.map((number) => (number - 0.5) ** 4)) / fourth).toBeGreaterThan(0.9);
    expect(mean(drawn.map((number) => (number - 0.5) ** 4)) / fourth).toBeLessThan(1.1);
  });

  it('are evenly spread for alpha 1', () => {
    const random = createRandom(2);
    const counts = Array<number>(10).fill(0);
    for (let draw = 0; draw < 20_000; draw++) counts[Math.min(9, Math.floor(betaSample(1, random) * 10))]!++;
    expect(Math.max(...counts.map((count) => Math.abs(count - 2000)))).toBeLessThan(200);
  });
});

describe('mixup', () => {
  it('mixes inputs, targets and weights by one share, with the partner of a permutation', () => {
    const given = batch();
    const { branches, targets, weights, share } = mixBatch(given, { mixup: 1 }, createRandom(4));
    const other = partners(targets[0]!, share);
    expect([...other].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    other.forEach((partner, own) => {
      expect(values(branches[0]![0]!)[own]).toBeCloseTo(share * own + (1 - share) * partner, 5);
      expect(values(weights)[own]).toBeCloseTo(share * (own + 1) + (1 - share) * (partner + 1), 5);
      const target = (targets[0]!.arraySync() as number[][])[own]!;
      expect(target.reduce((sum, part) => sum + part, 0)).toBeCloseTo(1, 5);
      if (partner !== own) expect(target[own]).toBeCloseTo(share, 5);
    });
  });

  it('mixes all tensors of all branches alike', () => {
    const many = [
      [tf.range(0, 6), maps(6, 3, 2)],
      [tf.mul(tf.range(0, 6), 10), maps(6, 1, 1)],
    ];
    const { branches } = mixBatch(batch(6, many), { mixup: 0.8 }, createRandom(9));
    const features = values(branches[0]![0]!);
    features.forEach((feature, own) => {
      expect(values(branches[1]![0]!)[own]).toBeCloseTo(feature * 10, 4);
      for (const cell of values(tf.gather(branches[0]![1]!, [own]))) expect(cell).toBeCloseTo(feature, 5);
    });
  });

  it('lets both examples show their tokens where a mask comes with the features', () => {
    const mask = tf.tensor2d([[1, 1, 0], [1, 0, 0]], [2, 3], 'int32'); // prettier-ignore
    const given: MixableBatch = { branches: [[tf.ones([2, 3, 4]), mask]], targets: [tf.eye(2)], weights: tf.ones([2]) };
    for (let seed = 0; seed < 8; seed++) {
      const { branches, targets, share } = mixBatch(given, { mixup: 1 }, createRandom(seed));
      const swapped = partners(targets[0]!, share)[0] === 1;
      expect(values(branches[0]![1]!)).toEqual(swapped ? [1, 1, 0, 1, 1, 0] : [1, 1, 0, 1, 0, 0]);
      expect(branches[0]![1]!.dtype).toBe('int32');
    }
  });

  it('gives the same for the same state, and leaves the batch as it was', () => {
    const given = batch();
    const [first, again, other] = [4, 4, 5].map((seed) => mixBatch(given, { mixup: 1 }, createRandom(seed)));
    expect(values(first!.targets[0]!)).toEqual(values(again!.targets[0]!));
    expect(first!.share).not.toBe(other!.share);
    expect(values(given.branches[0]![0]!)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('refuses token ids', () =>
    expectError(
      () => mixBatch(batch(2, [[tf.ones([2, 5], 'int32'), tf.ones([2, 5], 'int32')]]), { mixup: 1 }, createRandom(1)),
      'bad-option',
      /mixup cannot mix[^]*Received: a tensor int32 \[2, 5\][^]*embeddings frozen/,
    ));

  it('keeps no tensors of its own inside a tidy', () => {
    const given = batch(4, [[maps(4, 5, 5)]]);
    const before = tf.memory().numTensors;
    tf.tidy(() => void mixBatch(given, { mixup: 1, cutmix: 1 }, createRandom(1)));
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('cutmix', () => {
  it('pastes one rectangle, the same for all, and corrects the share to its real area', () => {
    const sizes = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const { branches, targets, share } = mixBatch(batch(5, [[maps(5, 7, 9)]]), { cutmix: 1 }, createRandom(seed));
      const cells = branches[0]![0]!.arraySync() as number[][][][];
      const other = partners(targets[0]!, share);
      const pasted = new Set<string>();
      other.forEach((partner, own) => {
        if (partner === own) return;
        const places: number[][] = [];
        cells[own]!.forEach((row, y) => row.forEach(([cell, second], x) => {
          expect(second).toBe(cell);
          expect([own, partner]).toContain(cell);
          if (cell === partner) places.push([y, x]);
        })); // prettier-ignore
        const span = (axis: number): number =>
          places.length === 0 ? 0 : Math.max(...places.map((place) => place[axis]!)) - Math.min(...places.map((place) => place[axis]!)) + 1;
        expect(span(0) * span(1)).toBe(places.length);
        expect(1 - places.length / 63).toBeCloseTo(share, 6);
        pasted.add(JSON.stringify(places));
      });
      expect(pasted.size).toBeLessThanOrEqual(1);
      const target = targets[0]!.arraySync() as number[][];
      other.forEach((partner, own) => partner !== own && expect(target[own]![own]).toBeCloseTo(share, 5));
      sizes.add(share);
    }
    expect(sizes.size).toBeGreaterThan(15);
  });

  it('cuts the same part out of maps of several sizes', () => {
    for (let seed = 0; seed < 30; seed++) {
      const { branches, share } = mixBatch(batch(3, [[maps(3, 4, 4), maps(3, 16, 8)]]), { cutmix: 1 }, createRandom(seed));
      const [coarse, fine] = branches[0]!.map((map) => values(tf.mean(map, [1, 2, 3])));
      coarse!.forEach((value, own) => expect(fine![own]).toBeCloseTo(value, 5));
      expect(share).toBeGreaterThanOrEqual(0);
    }
  });

  it('refuses what is no map', () =>
    expectError(
      () => mixBatch(batch(), { cutmix: 1 }, createRandom(1)),
      'bad-option',
      /cutmix cannot mix[^]*\[batch, height, width, channels\][^]*float32 \[6\][^]*use mixup/,
    ));
});

describe('the recipe', () => {
  it('takes one of both at random where both are given', () => {
    let cut = 0;
    for (let seed = 0; seed < 200; seed++) {
      const { branches } = mixBatch(batch(2, [[maps(2, 8, 8)]]), { mixup: 1, cutmix: 1 }, createRandom(seed));
      if (values(branches[0]![0]!).every((cell) => Number.isInteger(cell))) cut++;
    }
    // A mixup whose partner is the example itself leaves whole numbers too: half of the batches of two.
    expect(cut).toBeGreaterThan(120);
    expect(cut).toBeLessThan(180);
  });

  it('is checked and frozen', async () => {
    expect(checkMix({ mixup: 0.2 })).toEqual({ mixup: 0.2 });
    expect(Object.isFrozen(checkMix({ cutmix: 1 }))).toBe(true);
    await expectError(() => checkMix({}), 'bad-option', 'neither mixup nor cutmix');
    await expectError(() => checkMix({ mixup: 0 }), 'bad-option', /mixup is out of its range[^]*Received: 0/);
    await expectError(() => checkMix({ mixUp: 1 } as never), 'bad-option', /no member "mixUp"\. Did you mean "mixup"/);
    await expectError(() => checkMix(0.2 as never), 'bad-option', 'not an object');
  });
});
