import type { TensorInfo } from '@tensorflow/tfjs-core';
import { TransferKitError } from '../../errors.js';
import { describeProduct, multiplyFast } from './multiply.js';
import { sizeOf, withScratch, type Kernel, type Scratch } from './wasm-backend.js';

/** A tensor whose axes have letters. */
interface Lettered {
  readonly x: TensorInfo;
  readonly letters: readonly string[];
}

function unsupported(equation: string, why: string): never {
  const fix = 'Fix: write it as transpose, reshape and matMul.';
  throw new TransferKitError('unsupported', `einsum "${equation}" on the wasm backend: ${why}\n  ${fix}`, { details: { equation } });
}

const lettersOf = (term: string): string[] => Array.from(term);

const TERM = /^[a-zA-Z]*$/;

/** "bij,bjk->bik" -> the letters of each input and of the output. */
function parse(equation: string, inputs: readonly TensorInfo[]): { terms: Lettered[]; output: string[] } {
  const sides = equation.replaceAll(' ', '').split('->');
  const [left, right] = [sides[0]!.split(','), sides[1]];
  if (sides.length !== 2 || right === undefined) unsupported(equation, 'the output must be given after "->"');
  if (![...left, right].every((term) => TERM.test(term))) unsupported(equation, 'letters only; "..." is not supported');
  if ([...left, right].some((term) => new Set(lettersOf(term)).size !== term.length))
    unsupported(equation, 'a letter twice in one term is not supported');
  if (left.length !== inputs.length || inputs.length > 2)
    unsupported(equation, `one or two inputs, received ${inputs.length} for ${left.length} terms`);
  const terms = inputs.map((x, index) => ({ x, letters: lettersOf(left[index]!) }));
  if (terms.some(({ x, letters }) => x.shape.length !== letters.length))
    unsupported(equation, `the inputs have ${terms.map(({ x }) => x.shape.length).join(' and ')} axes`);
  if (terms.some(({ x }) => x.dtype !== 'float32')) unsupported(equation, 'inputs must be float32');
  if (!lettersOf(right).every((letter) => left.some((term) => term.includes(letter))))
    unsupported(equation, 'the output has a letter that no input has');
  return { terms, output: lettersOf(right) };
}

/** Letter -> length; two lengths for one letter are an error, as there is no broadcasting. */
function measure(equation: string, terms: readonly Lettered[]): ReadonlyMap<string, number> {
  const lengths = new Map<string, number>();
  for (const { x, letters } of terms) {
    letters.forEach((letter, axis) => {
      const known = lengths.get(letter) ?? x.shape[axis]!;
      if (known !== x.shape[axis]) unsupported(equation, `"${letter}" is ${known} long in one input and ${x.shape[axis]} in the other`);
      lengths.set(letter, known);
    });
  }
  return lengths;
}

/** Sums over the letters that occur nowhere else. */
function sumAlone(scratch: Scratch, { x, letters }: Lettered, kept: readonly string[]): Lettered {
  const axis = letters.flatMap((letter, index) => (kept.includes(letter) ? [] : [index]));
  if (axis.length === 0) return { x, letters };
  return { x: scratch.run('Sum', { x }, { axis, keepDims: false }), letters: letters.filter((letter) => kept.includes(letter)) };
}

function permute(scratch: Scratch, { x, letters }: Lettered, order: readonly string[]): TensorInfo {
  const perm = order.map((letter) => letters.indexOf(letter));
  return perm.every((axis, index) => axis === index) ? x : scratch.run('Transpose', { x }, { perm });
}

/** Two inputs as one batched product: letters in both and in the output are the batch, letters in both only are summed. */
function contract(
  scratch: Scratch,
  left: Lettered,
  right: Lettered,
  output: readonly string[],
  lengths: ReadonlyMap<string, number>,
): Lettered {
  const common = left.letters.filter((letter) => right.letters.includes(letter));
  const batch = common.filter((letter) => output.includes(letter));
  const summed = common.filter((letter) => !output.includes(letter));
  const rows = left.letters.filter((letter) => !common.includes(letter));
  const columns = right.letters.filter((letter) => !common.includes(letter));
  const size = (letters: readonly string[]): number => sizeOf(letters.map((letter) => lengths.get(letter)!));
  const a = { ...permute(scratch, left, [...batch, ...rows, ...summed]), shape: [size(batch), size(rows), size(summed)] };
  const b = { ...permute(scratch, right, [...batch, ...summed, ...columns]), shape: [size(batch), size(summed), size(columns)] };
  const letters = [...batch, ...rows, ...columns];
  const product = multiplyFast(scratch, describeProduct(a, b, false, false));
  return { x: { ...product, shape: letters.map((letter) => lengths.get(letter)!) }, letters };
}

/** `Einsum` of one or two float32 inputs, without repeated letters in one input and without "...". */
export const einsum: Kernel = ({ inputs, attrs, backend }) => {
  const equation = String(attrs['equation']);
  const { terms, output } = parse(equation, Object.values(inputs) as TensorInfo[]);
  const lengths = measure(equation, terms);
  return withScratch(backend, (scratch) => {
    const kept = terms.map((_, index) => [...output, ...terms.flatMap(({ letters }, other) => (other === index ? [] : letters))]);
    const [left, right] = terms.map((term, index) => sumAlone(scratch, term, kept[index]!));
    const whole = right === undefined ? left! : contract(scratch, left!, right, output, lengths);
    const ordered = permute(scratch, whole, output);
    const shape = output.map((letter) => lengths.get(letter)!);
    // Nothing computed: the caller's own data must not be handed back under a second owner.
    const out = terms.some(({ x }) => x.dataId === ordered.dataId) ? scratch.run('Identity', { x: ordered }) : ordered;
    return scratch.release(out, shape);
  });
};
