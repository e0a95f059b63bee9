/** Sum of products. */
export function dot(first: Float64Array, second: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < first.length; index++) sum += first[index]! * second[index]!;
  return sum;
}

/** target += factor * added */
export function addScaled(target: Float64Array, factor: number, added: Float64Array): void {
  for (let index = 0; index < target.length; index++) target[index]! += factor * added[index]!;
}

/** first - second, as a new array. */
export const difference = (first: Float64Array, second: Float64Array): Float64Array => first.map((value, index) => value - second[index]!);

/** The largest absolute value. */
export function largestAbsolute(values: Float64Array): number {
  let largest = 0;
  for (const value of values) if (!(Math.abs(value) <= largest)) largest = Math.abs(value);
  return largest;
}
