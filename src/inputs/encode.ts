import type { EncodedInput, InputProcessor } from './input.js';

/** How many inputs are decoded at once: enough to keep the image library's own threads busy. */
const atOnce = 4;

/**
 * Encodes inputs in order, a few ahead of the one that is asked for.
 * `work` may be anything that gives a promise for an index; a rejection surfaces when its turn comes.
 */
export async function* inOrder<T>(count: number, work: (index: number) => Promise<T>, ahead = atOnce): AsyncGenerator<T> {
  const pending: Promise<T>[] = [];
  let started = 0;
  const start = (): void => {
    const promise = work(started++);
    promise.catch(() => undefined); // reported when awaited below; without this an early rejection would be unhandled
    pending.push(promise);
  };
  for (let index = 0; index < count; index++) {
    while (started < count && pending.length < ahead) start();
    yield await pending.shift()!;
  }
}

/** Encodes a list of raw inputs. */
export async function encodeAll(processor: InputProcessor, inputs: readonly unknown[]): Promise<EncodedInput[]> {
  const encoded: EncodedInput[] = [];
  for await (const input of inOrder(inputs.length, (index) => processor.encode(inputs[index]))) encoded.push(input);
  return encoded;
}
