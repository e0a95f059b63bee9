import type { WasmModule } from './wasm-backend.js';

/** Ids for operands that live during one native call. Far above tfjs's own, which count up from 1. */
const FIRST_ID = 0x7fff0000;
const FLOAT32 = 0; // tfjs's CppDType

/** A piece of the heap: address in bytes, and its shape. */
export interface Operand {
  readonly address: number;
  readonly shape: readonly number[];
}

/** Calls a native function with the address of a copy of these integers. */
function withIntegers<Result>(module: WasmModule, values: readonly number[], body: (address: number) => Result): Result {
  const address = module._malloc(4 * values.length) >>> 0;
  module.HEAP32.set(values, address >>> 2);
  try {
    return body(address);
  } finally {
    module._free(address);
  }
}

const register = (module: WasmModule, slot: number, size: number, address: number): void => {
  module._register_tensor!(FIRST_ID + slot, size, address);
};

/** Also drops the packed operator that XNNPACK keeps for the right operand, which is why nothing grows from step to step. */
function forget(module: WasmModule, slots: number): void {
  for (let slot = 0; slot < slots; slot++) module._dispose_data!(FIRST_ID + slot);
}

const elements = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

/** out = a (op) b on float32 with broadcasting. `out` may be `a`: these loops run element by element. */
export function elementwise(module: WasmModule, name: 'Add' | 'Sub' | 'Multiply', a: Operand, b: Operand, out: Operand): void {
  withIntegers(module, [...a.shape, ...b.shape], (shapes) => {
    [a, b, out].forEach((operand, slot) => register(module, slot, elements(operand.shape), operand.address));
    module[`_${name}`]!(FIRST_ID, shapes, a.shape.length, FIRST_ID + 1, shapes + 4 * a.shape.length, b.shape.length, FLOAT32, FIRST_ID + 2);
    forget(module, 3);
  });
}

/** Matrices of one shape at many addresses: `left [rows, shared]` times `right [shared, columns]`. */
export interface Products {
  readonly rows: number;
  readonly shared: number;
  readonly columns: number;
  readonly count: number;
  /** Address in bytes of matrix number `index`. */
  readonly left: (index: number) => number;
  readonly right: (index: number) => number;
  readonly out: (index: number) => number;
}

/** Runs each product by itself: only a batch of one reaches XNNPACK, a larger one a plain loop ten times slower. */
export function multiplyMatrices(module: WasmModule, { rows, shared, columns, count, left, right, out }: Products): void {
  withIntegers(module, [1, rows, shared, 1, shared, columns], (shapes) => {
    for (let index = 0; index < count; index++) {
      register(module, 0, rows * shared, left(index));
      register(module, 1, shared * columns, right(index));
      register(module, 2, rows * columns, out(index));
      module._BatchMatMul!(FIRST_ID, shapes, 3, FIRST_ID + 1, shapes + 12, 3, 0, 0, FIRST_ID + 2);
      forget(module, 3);
    }
  });
}
