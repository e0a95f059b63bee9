import { describe, expect, it } from 'vitest';
import { checkImageRecipe } from '../../src/inputs/check-image-recipe.js';
import { imageRecipeFromHuggingFace, imageRecipeFromTimm, imageRecipeFromTorchvision } from '../../src/inputs/image.js';
import { recipeSize } from '../../src/inputs/image-recipe.js';
import { expectError } from '../data/expect-error.js';

/** As published with google/mobilenet_v2_1.0_224. */
const mobileNet = {
  crop_size: { height: 224, width: 224 }, do_center_crop: true, do_normalize: true, do_rescale: true, do_resize: true,
  image_mean: [0.5, 0.5, 0.5], image_processor_type: 'MobileNetV2ImageProcessor', image_std: [0.5, 0.5, 0.5],
  resample: 2, rescale_factor: 0.00392156862745098, size: { shortest_edge: 256 },
}; // prettier-ignore

describe('imageRecipeFromHuggingFace', () => {
  it('reads a MobileNetV2 processor', () => {
    const recipe = imageRecipeFromHuggingFace(mobileNet);
    expect(recipe).toEqual({
      kind: 'image',
      resize: { mode: 'shortest-edge', size: 256, interpolation: 'bilinear', antialias: true },
      crop: { height: 224, width: 224, rounding: 'floor' },
      scale: 0.00392156862745098,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
      channelOrder: 'rgb',
    });
    expect(checkImageRecipe(recipe)).toBe(recipe);
    expect(recipeSize(recipe)).toEqual([224, 224]);
  });

  it('reads squares, bare numbers and steps that are off', () => {
    const vit = {
      size: { height: 384, width: 256 },
      resample: 3,
      image_mean: 0.5,
      image_std: [1, 2, 3],
      do_flip_channel_order: false,
      do_pad: null,
    };
    expect(imageRecipeFromHuggingFace(vit)).toMatchObject({
      resize: { mode: 'stretch', height: 384, width: 256, interpolation: 'bicubic' }, crop: null, mean: [0.5, 0.5, 0.5],
    }); // prettier-ignore
    const old = { image_mean: [0, 0, 0], image_std: [1, 1, 1], size: 224 };
    expect(imageRecipeFromHuggingFace(old).resize).toMatchObject({ mode: 'stretch', height: 224 });
    expect(imageRecipeFromHuggingFace({ ...old, do_center_crop: true, crop_size: 200 })).toMatchObject({
      resize: { mode: 'shortest-edge', size: 224 }, crop: { height: 200 },
    }); // prettier-ignore
    const off = { do_resize: false, do_center_crop: false, do_rescale: false, do_normalize: false };
    expect(imageRecipeFromHuggingFace(off)).toMatchObject({ resize: null, crop: null, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] });
    expect(recipeSize(imageRecipeFromHuggingFace(off))).toEqual([null, null]);
    expect(recipeSize(imageRecipeFromHuggingFace(vit))).toEqual([384, 256]);
  });

  it.each([
    [{ do_sharpen: true }, 'do_sharpen'], [{ do_pad: true }, 'do_pad'], [{ size: { longest_edge: 3 } }, 'size'], [{ resample: 9 }, 'resample'],
    [{ crop_size: {} }, 'crop_size'], [{ image_mean: [1] }, 'image_mean'], [{ rescale_factor: 'x' }, 'rescale_factor'],
    [{ size: { shortest_edge: 3, longest_edge: 9 } }, 'size'],
  ])('refuses %j', async (change, field) => {
    await expectError(() => imageRecipeFromHuggingFace({ ...mobileNet, ...change }, 'hf://a/b'), 'bad-config', `hf://a/b: "${field}"`, 'Expected', 'Received');
  }); // prettier-ignore
});

describe('imageRecipeFromTimm', () => {
  const config = {
    input_size: [3, 224, 224],
    interpolation: 'bicubic',
    crop_pct: 0.9,
    mean: [0.1, 0.2, 0.3],
    std: [1, 1, 1],
    num_classes: 1000,
  };

  it('reads a pretrained_cfg', () => {
    expect(imageRecipeFromTimm(config)).toMatchObject({
      resize: { mode: 'shortest-edge', size: 248, interpolation: 'bicubic' }, // 224 / 0.9 = 248.9
      crop: { height: 224, width: 224, rounding: 'half-even' },
      mean: [0.1, 0.2, 0.3],
    });
    expect(imageRecipeFromTimm({ input_size: [3, 160, 160] })).toMatchObject({
      resize: { size: 182, interpolation: 'bilinear' },
      mean: [0.485, 0.456, 0.406],
    });
    expect(imageRecipeFromTimm({ ...config, crop_mode: 'squash' }).resize).toMatchObject({ mode: 'stretch', height: 248, width: 248 });
  });

  it.each([
    [{ input_size: [1, 28, 28] }, 'input_size'], [{ input_size: [3, 20, 30] }, 'input_size'], [{ crop_mode: 'border' }, 'crop_mode'],
    [{ crop_pct: 0 }, 'crop_pct'], [{ interpolation: 'random' }, 'interpolation'], [{ mean: 3 }, 'mean'],
  ])('refuses %j', async (change, field) => {
    await expectError(() => imageRecipeFromTimm({ ...config, ...change }), 'bad-config', `pretrained_cfg "${field}"`, 'Expected');
  }); // prettier-ignore
});

it('imageRecipeFromTorchvision makes the evaluation preset', () => {
  expect(imageRecipeFromTorchvision({ resize: 232, crop: 224 })).toMatchObject({
    resize: { mode: 'shortest-edge', size: 232, interpolation: 'bilinear' }, crop: { height: 224, width: 224 }, std: [0.229, 0.224, 0.225],
  }); // prettier-ignore
});
