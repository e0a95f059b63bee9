import { describe, expect, it } from 'vitest';
import { checkAugmentation } from '../../src/inputs/augment/check-augmentation.js';
import { imageAugmentation } from '../../src/inputs/augment/image-augmentation.js';
import { textAugmentation } from '../../src/inputs/augment/text-augmentation.js';
import { viewRandom } from '../../src/inputs/augment/view-random.js';
import { expectError } from '../data/expect-error.js';

describe('imageAugmentation', () => {
  it('gives frozen plain data', () => {
    const made = imageAugmentation({ crop: { scale: [0.5, 1] }, flip: 0.5, rotate: undefined } as never);
    expect(made).toEqual({ kind: 'image', crop: { scale: [0.5, 1] }, flip: 0.5 });
    expect('rotate' in made).toBe(false);
    expect([made, made.crop, made.crop!.scale].every(Object.isFrozen)).toBe(true);
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });

  it('does not hold on to what the caller may change', () => {
    const scale: [number, number] = [0.5, 1];
    const made = imageAugmentation({ crop: { scale } });
    scale[0] = 7;
    expect(made.crop!.scale[0]).toBe(0.5);
  });

  it('has presets, each of them valid data', () => {
    expect(imageAugmentation()).toEqual(imageAugmentation('light'));
    const [light, strong] = [imageAugmentation('light'), imageAugmentation('strong')];
    expect(light).toMatchObject({ flip: 0.5, crop: { scale: [0.5, 1] } });
    expect(light.policy).toBeUndefined();
    expect(strong).toMatchObject({ policy: { operations: 2 }, erase: {} });
    expect(imageAugmentation(strong)).toEqual(strong);
  });

  it.each([
    [{ flop: 0.5 }, /no member "flop"\. Did you mean "flip"\?[^]*Expected: kind, crop, flip/],
    [{ flip: 1.5 }, /flip is out of its range[^]*a number from 0 to 1[^]*Received: 1\.5/],
    [{ flip: Number.NaN }, /Received: NaN/],
    [{ flip: '0.5' }, /Received: "0\.5"/],
    [{ rotate: -10 }, /rotate[^]*0 to 180 degrees/],
    [{ crop: 0.5 }, /crop[^]*an object/],
    [{ crop: {} }, /crop lacks "scale"/],
    [{ crop: { scale: [0, 1] } }, /scale[^]*0\.001 to 1[^]*Received: \[0,1\]/],
    [{ crop: { scale: [1, 0.5] } }, /\[smallest, largest\]/],
    [{ crop: { scale: [0.5] } }, /two numbers/],
    [{ crop: { scale: [0.5, 1], ratios: [1, 2] } }, /imageAugmentation crop has no member "ratios"\. Did you mean "ratio"/],
    [{ color: { hue: 0.6 } }, /hue[^]*0 to 0\.5/],
    [{ color: { hues: 0.6 } }, /imageAugmentation color has no member "hues"/],
    [{ policy: { operations: 2 } }, /policy lacks "magnitude"/],
    [{ policy: { operations: 0, magnitude: 9 } }, /whole number from 1 to 16/],
    [{ policy: { operations: 2, magnitude: 11 } }, /magnitude[^]*0 to 10/],
    [{ erase: { probability: 2 } }, /probability[^]*0 to 1/],
    [{ kind: 'text' }, /kind[^]*"image"/],
    [{ constructor: 1 }, /no member "constructor"/],
    [7, /imageAugmentation is not an object[^]*Received: 7/],
    ['ligth', /no preset "ligth"[^]*light, strong/],
    ['toString', /no preset "toString"/],
  ])('refuses %j', async (options, message) => {
    await expectError(() => imageAugmentation(options as never), 'bad-option', message);
  });
});

describe('textAugmentation', () => {
  it('gives frozen plain data, with a default', () => {
    expect(textAugmentation()).toEqual({ kind: 'text', dropTokens: 0.1, crop: [0.7, 1] });
    expect(Object.isFrozen(textAugmentation().crop)).toBe(true);
    expect(textAugmentation({ dropTokens: 0 })).toEqual({ kind: 'text', dropTokens: 0 });
  });

  it.each([
    [{ droptoken: 0.5 }, /no member "droptoken"\. Did you mean "dropTokens"/],
    [{ dropTokens: 1 }, /dropTokens[^]*0 to 0\.95/],
    [{ crop: [0, 1] }, /crop[^]*0\.01 to 1/],
    [null, /not an object[^]*null/],
  ])('refuses %j', async (options, message) => {
    await expectError(() => textAugmentation(options as never), 'bad-option', message);
  });
});

describe('checkAugmentation', () => {
  it('takes what was saved, and checks it', () => {
    const saved = JSON.parse(JSON.stringify(imageAugmentation('strong')));
    expect(checkAugmentation(saved, 'image')).toEqual(imageAugmentation('strong'));
    return expectError(() => checkAugmentation({ ...saved, flip: 3 }, 'image'), 'bad-option', 'flip');
  });

  it('names both modalities where they differ, and the way out', async () => {
    const pieces = [/takes photos[^]*kind "image"[^]*augmentation of texts \(kind "text"\)[^]*imageAugmentation\(/];
    await expectError(() => checkAugmentation(textAugmentation(), 'image'), 'bad-option', ...pieces);
    await expectError(() => checkAugmentation(imageAugmentation(), 'text'), 'bad-option', /takes texts[^]*augmentation of photos/);
    await expectError(() => checkAugmentation('light' as never, 'image'), 'bad-option', /kind light/);
    await expectError(() => checkAugmentation(undefined as never, 'image'), 'bad-option', /kind undefined/);
  });
});

describe('viewRandom', () => {
  it('is one stream for each seed, example, view and branch', () => {
    const first = (...parts: Parameters<typeof viewRandom>): number => viewRandom(...parts).next();
    expect(first(42, 'a.jpg', 1)).toBe(first(42, 'a.jpg', 1));
    expect(first(42, 'a.jpg', 1, 0)).toBe(first(42, 'a.jpg', 1));
    const others = [first(42, 'a.jpg', 1), first(43, 'a.jpg', 1), first(42, 'b.jpg', 1), first(42, 'a.jpg', 2), first(42, 'a.jpg', 1, 1)];
    expect(new Set(others).size).toBe(5);
  });

  it('gives views of one example, and one view of several, that do not depend on each other', () => {
    const correlation = (pairs: readonly (readonly [number, number])[]): number => {
      const mean = (pick: (pair: readonly [number, number]) => number): number =>
        pairs.reduce((sum, pair) => sum + pick(pair), 0) / pairs.length;
      const covariance = mean(([x, y]) => x * y) - mean(([x]) => x) * mean(([, y]) => y);
      return covariance * 12; // the variance of a uniform number is a twelfth
    };
    const ids = Array.from({ length: 5000 }, (_, index) => `daisy/${index}.jpg`);
    for (let view = 1; view < 6; view++) {
      expect(Math.abs(correlation(ids.map((id) => [viewRandom(1, id, view).next(), viewRandom(1, id, view + 1).next()])))).toBeLessThan(
        0.06,
      );
      expect(
        Math.abs(correlation(ids.map((id, index) => [viewRandom(1, id, view).next(), viewRandom(1, ids[index - 1] ?? '', view).next()]))),
      ).toBeLessThan(0.06);
    }
  });
});
