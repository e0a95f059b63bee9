import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import { between, checkMembers, frozenCopy, type MemberRule } from '../inputs/augment/check-members.js';
import type { MixAugmentation } from '../inputs/augment/recipe.js';
import type { Random } from '../common/random.js';
import { betaSample } from './beta-sample.js';

/** A batch as the trained part of the network and the loss see it; the batch axis comes first everywhere. */
export interface MixableBatch {
  /** Per branch: one tensor per border of the network. */
  readonly branches: readonly (readonly tf.Tensor[])[];
  readonly targets: readonly tf.Tensor[];
  /** Weight of each example in the loss, float32 [batch]. */
  readonly weights: tf.Tensor1D;
}

/** A batch that was mixed with itself in another order. */
export interface MixedBatch extends MixableBatch {
  /** How much of each example is its own, 0 to 1; the rest is its partner's. */
  readonly share: number;
}

const alpha: MemberRule = between(0.001, 1000);
const rules: Readonly<Record<keyof MixAugmentation, MemberRule>> = { mixup: alpha, cutmix: alpha };

/**
 * A mixing of batches as a caller wrote it, checked and frozen.
 * @throws TransferKitError `bad-option` naming the member that does not exist or is out of range, or when there is none
 */
export function checkMix(recipe: MixAugmentation): MixAugmentation {
  const members = checkMembers('mix', recipe, rules) as MixAugmentation;
  if (members.mixup !== undefined || members.cutmix !== undefined) return frozenCopy(members);
  throw new TransferKitError('bad-option', 'mix says neither mixup nor cutmix.\n  Expected: { mixup: alpha }, { cutmix: alpha } or both');
}

/** Each value is `share` of its own and the rest of the partner's. */
const blend = (own: tf.Tensor, partner: tf.Tensor, share: number): tf.Tensor => tf.add(tf.mul(own, share), tf.mul(partner, 1 - share));

/** Whole numbers beside features are masks of tokens: what either of two examples shows, both show. */
const blendInput = (own: tf.Tensor, partner: tf.Tensor, share: number): tf.Tensor =>
  own.dtype === 'int32' ? tf.maximum(own, partner) : blend(own, partner, share);

/** What decides whether tensors can be mixed; those of a network's graph say it too. */
interface TensorKind {
  readonly dtype: string;
  readonly shape: readonly (number | null)[];
}

function cannotMix(how: keyof MixAugmentation, expected: string, tensor: TensorKind | undefined, fix: string): TransferKitError {
  const received = tensor === undefined ? 'nothing' : `a tensor ${tensor.dtype} [${tensor.shape.map((size) => size ?? 'any').join(', ')}]`;
  return new TransferKitError(
    'bad-option',
    `${how} cannot mix what enters the layers that are trained.\n  Expected: ${expected}\n  Received: ${received}\n  Fix: ${fix}`,
    { details: { how, shape: tensor?.shape, type: tensor?.dtype } },
  );
}

function assertMixable(branches: readonly (readonly TensorKind[])[]): void {
  const lacking = branches.find((tensors) => tensors.every((tensor) => tensor.dtype === 'int32'));
  if (lacking === undefined) return;
  throw cannotMix('mixup', 'numbers, such as pixels or features', lacking[0], 'token ids cannot be mixed; keep the embeddings frozen.');
}

function assertMaps(tensors: readonly TensorKind[]): void {
  const other = tensors.find((tensor) => tensor.shape.length !== 4 || tensor.dtype === 'int32');
  if (other === undefined && tensors.length > 0) return;
  throw cannotMix('cutmix', 'maps [batch, height, width, channels]', other, 'use mixup, or let earlier layers learn.');
}

/**
 * Whether what enters the trained layers can be mixed, before anything is trained.
 * @param tensors of one branch
 * @throws TransferKitError `bad-option`
 */
export function assertMixes({ mixup, cutmix }: MixAugmentation, tensors: readonly TensorKind[]): void {
  if (mixup !== undefined) assertMixable([tensors]);
  if (cutmix !== undefined) assertMaps(tensors);
}

/** A rectangle as shares of height and width. */
interface Patch {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Where one axis is cut: around a random middle, as far as there is room, on whole cells. */
function cutAxis(size: number, length: number, random: Random): readonly [number, number] {
  const middle = random.integer(size);
  const half = Math.floor(length / 2);
  return [Math.max(0, middle - half) / size, Math.min(size, middle - half + length) / size];
}

/** A patch on the cells of the coarsest map, so that it falls on whole cells of finer ones too. */
function drawPatch(maps: readonly tf.Tensor[], share: number, random: Random): Patch {
  const [height, width] = maps.map(({ shape }) => [shape[1]!, shape[2]!] as const).reduce((a, b) => (a[0] * a[1] <= b[0] * b[1] ? a : b));
  const side = Math.sqrt(1 - share);
  const [top, bottom] = cutAxis(height, Math.round(height * side), random);
  const [left, right] = cutAxis(width, Math.round(width * side), random);
  return { top, bottom, left, right };
}

/** 1 inside the patch, 0 outside: float32 [1, height, width, 1]. */
function patchMask(patch: Patch, height: number, width: number): tf.Tensor4D {
  const values = new Float32Array(height * width);
  const [left, right] = [Math.round(patch.left * width), Math.round(patch.right * width)];
  for (let row = Math.round(patch.top * height); row < Math.round(patch.bottom * height); row++)
    values.fill(1, row * width + left, row * width + right);
  return tf.tensor4d(values, [1, height, width, 1]);
}

function paste(own: tf.Tensor, partner: tf.Tensor, patch: Patch): tf.Tensor {
  const mask = patchMask(patch, own.shape[1]!, own.shape[2]!);
  return tf.add(tf.mul(own, tf.sub(1, mask)), tf.mul(partner, mask));
}

/** Mixes each input tensor with its partner. */
type MixInput = (own: tf.Tensor, partner: tf.Tensor) => tf.Tensor;

function planMixup({ branches }: MixableBatch, drawn: number): { share: number; mixInput: MixInput } {
  assertMixable(branches);
  return { share: drawn, mixInput: (own, partner) => blendInput(own, partner, drawn) };
}

function planCutmix({ branches }: MixableBatch, drawn: number, random: Random): { share: number; mixInput: MixInput } {
  assertMaps(branches.flat());
  const patch = drawPatch(branches.flat(), drawn, random);
  const share = 1 - (patch.bottom - patch.top) * (patch.right - patch.left);
  return { share, mixInput: (own, partner) => paste(own, partner, patch) };
}

/** Which of the two ways this batch takes. The draw is made in any case, so that seeds mean the same for every recipe. */
function chooseWay({ mixup, cutmix }: MixAugmentation, random: Random): { cuts: boolean; alpha: number } {
  const first = random.next() < 0.5;
  const cuts = cutmix !== undefined && (mixup === undefined || !first);
  return { cuts, alpha: (cuts ? cutmix : mixup)! };
}

/**
 * Mixes the examples of a batch pairwise: each with the one that a random order puts in its place, all by one share drawn from
 * Beta(alpha, alpha). Mixup blends the inputs, cutmix pastes a rectangle of the partner; targets and weights are blended by the
 * share that was really mixed. Gives new tensors; call it inside `tf.tidy`.
 *
 * @param recipe as `checkMix` gives it
 * @throws TransferKitError `bad-option` when token ids enter the layers that are trained, or cutmix is to cut what is no map
 * @source "mixup: Beyond Empirical Risk Minimization", Zhang et al. 2017; "CutMix", Yun et al. 2019
 */
export function mixBatch(batch: MixableBatch, recipe: MixAugmentation, random: Random): MixedBatch {
  const { cuts, alpha } = chooseWay(recipe, random);
  const drawn = betaSample(alpha, random);
  const order = tf.tensor1d(Int32Array.from(random.permutation(batch.weights.shape[0])), 'int32');
  const { share, mixInput } = cuts ? planCutmix(batch, drawn, random) : planMixup(batch, drawn);
  const partnerOf = (tensor: tf.Tensor): tf.Tensor => tf.gather(tensor, order);
  const blended = (tensor: tf.Tensor): tf.Tensor => blend(tensor, partnerOf(tensor), share);
  return {
    branches: batch.branches.map((tensors) => tensors.map((tensor) => mixInput(tensor, partnerOf(tensor)))),
    targets: batch.targets.map(blended),
    weights: blended(batch.weights) as tf.Tensor1D,
    share,
  };
}
