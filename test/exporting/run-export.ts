/** Runs exported files in ONNX Runtime, with inputs made as other libraries make them: from the files of the exported folder alone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import type { PixelData } from '../../src/data/dataset.js';

export interface Feed {
  readonly values: readonly number[];
  readonly shape: readonly number[];
}
export type Feeds = Record<string, Feed>;

/** ONNX Runtime, or the reason why it is not here. */
export async function onnxRuntime(): Promise<typeof import('onnxruntime-node') | undefined> {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    console.log(`skipped: onnxruntime-node cannot be imported (${(error as Error).message.split('\n')[0]})`);
    return undefined;
  }
}

/** Runs a file. Pixels are float32, all else int64. */
export async function runFile(bytes: Uint8Array, feeds: Feeds): Promise<Record<string, { shape: readonly number[]; values: number[] }>> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const tensors = Object.entries(feeds).map(([name, { values, shape }]) => {
    const isPixels = name.startsWith('pixel_values');
    return [
      name,
      isPixels
        ? new Tensor('float32', Float32Array.from(values), [...shape])
        : new Tensor('int64', BigInt64Array.from(values.map(BigInt)), [...shape]),
    ];
  });
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [name, { shape: dims, values: Array.from(data as Float32Array, Number) }]),
  );
}

const readJson = (folder: string, name: string): any => JSON.parse(readFileSync(join(folder, name), 'utf8'));

/** Token ids, masks and types of texts by the tokenizer of a folder, padded to the longest. A text may be a pair. */
export function textFeeds(folder: string, texts: readonly (string | readonly [string, string])[], names: readonly string[]): Feeds {
  const config = readJson(folder, 'tokenizer_config.json');
  const tokenizer = new Tokenizer(readJson(folder, 'tokenizer.json'), config);
  const encoded = texts.map((text) => {
    const [first, second] = typeof text === 'string' ? [text, null] : text;
    return tokenizer.encode(first, { text_pair: second ?? null, add_special_tokens: true, return_token_type_ids: true });
  });
  const longest = Math.max(1, ...encoded.map(({ ids }) => ids.length));
  const padded = (rows: readonly number[][], padding: number): Feed => ({
    values: rows.flatMap((row) => [...row, ...Array<number>(longest - row.length).fill(padding)]),
    shape: [rows.length, longest],
  });
  const all: Feeds = {
    input_ids: padded(encoded.map(({ ids }) => ids), tokenizer.token_to_id(config.pad_token) ?? 0), // prettier-ignore
    attention_mask: padded(encoded.map(({ ids }) => ids.map(() => 1)), 0), // prettier-ignore
    token_type_ids: padded(encoded.map(({ ids, token_type_ids }) => token_type_ids ?? ids.map(() => 0)), 0), // prettier-ignore
  };
  return Object.fromEntries(names.map((name) => [name, all[name]!]));
}

/** Pixels of pictures that already have the network's size, by the preprocessor_config.json of a folder: float32 [batch, 3, height, width]. */
export function pixelFeeds(folder: string, pictures: readonly PixelData[]): Feeds {
  const config = readJson(folder, 'preprocessor_config.json');
  const factor = config.do_rescale ? config.rescale_factor : 1;
  const { width, height } = pictures[0]!;
  const values = pictures.flatMap(({ data }) =>
    [0, 1, 2].flatMap((channel) =>
      Array.from({ length: width * height }, (_, place) => {
        const value = data[place * 3 + channel]! * factor;
        return config.do_normalize ? (value - config.image_mean[channel]) / config.image_std[channel] : value;
      }),
    ),
  );
  return { pixel_values: { values, shape: [pictures.length, 3, height, width] } };
}

/** Rows of a matrix as probabilities. */
export function softmaxRows({ values, shape }: { values: readonly number[]; shape: readonly number[] }): number[][] {
  const width = shape.at(-1)!;
  return Array.from({ length: values.length / width }, (_, row) => {
    const logits = values.slice(row * width, (row + 1) * width);
    const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    const sum = powers.reduce((total, power) => total + power, 0);
    return powers.map((power) => power / sum);
  });
}

/** The largest difference between two lists of one length. */
export function largestDifference(one: ArrayLike<number>, other: ArrayLike<number>): number {
  if (one.length !== other.length) throw new Error(`${one.length} and ${other.length} numbers`);
  return Array.from(one).reduce((most, value, index) => Math.max(most, Math.abs(value - other[index]!)), 0);
}
