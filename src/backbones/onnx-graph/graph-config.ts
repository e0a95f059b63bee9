import type { JsonObject, JsonValue } from '../../common/json.js';
import { TransferKitError } from '../../errors.js';
import type { PoolingMode } from '../../layers/token-pooling.js';

/** What a graph gives for an example: one vector, one a token, or one a place. */
export type GraphOutputKind = 'pooled' | 'sequence' | 'map';

/** What a graph's input takes: `ids`, `mask`, `typeIds`, or `pixels`. */
export interface GraphInput extends JsonObject {
  /** In the graph. */
  readonly name: string;
  /** Its element type in the graph. */
  readonly type: string;
  readonly takes: string;
}

/** What a graph tells of itself. */
export interface GraphFacts extends JsonObject {
  /** Path of the file. */
  readonly file: string;
  /** Which of the published files was asked for. A saved model has one, and no longer this. */
  readonly variant?: string | null;
  /** SHA-256 of the graph as it is cut, in hexadecimal digits; null until it was read. */
  readonly sha256: string | null;
  readonly inputs: readonly GraphInput[];
  /** Name of the tensor that the graph is cut at. */
  readonly output: string;
  readonly kind: GraphOutputKind;
  /** Numbers of one vector. */
  readonly features: number;
  /** Weights in front of the output. */
  readonly parameters: number;
  /**
   * Whether examples are run one at a time: where a graph takes no more, or rounds by the largest number of a batch, so that they would
   * change each other.
   */
  readonly oneByOne: boolean;
}

/** Settings that all families of graphs share. */
export interface GraphConfig extends GraphFacts {
  /** How tokens or places become one vector; null where the graph gives one. */
  readonly pooling: PoolingMode | null;
  /** Whether the pooled vector is scaled to length 1. */
  readonly normalize: boolean;
}

/** A setting as the text that it should be, or as JSON for a message; undefined where it is not set. */
export const settingText = (setting: JsonValue | undefined): string | undefined =>
  setting === undefined || typeof setting === 'string' ? setting : JSON.stringify(setting);

/** A complaint about a graph. */
export const badGraph = (where: string, expected: string, received: string, fix: string): TransferKitError =>
  new TransferKitError('bad-config', `${where}.\n  Expected: ${expected}\n  Received: ${received}\n  Fix: ${fix}`, {
    details: { expected, received },
  });

/**
 * The pooling, held against what the graph gives.
 * @throws TransferKitError `bad-config`
 */
export function poolingOf({ kind, pooling, output }: GraphConfig, allowed: readonly PoolingMode[]): PoolingMode | null {
  const expected = kind === 'pooled' ? 'none, for it is one vector already' : allowed.join(', ');
  const fits = kind === 'pooled' ? pooling === null : pooling !== null && allowed.includes(pooling);
  if (fits) return pooling;
  const fix =
    kind === 'pooled' ? 'leave pooling out, or name an output that has one vector for each token or place' : 'choose one of these';
  throw badGraph(`the output "${output}" cannot be pooled so`, expected, JSON.stringify(pooling), fix);
}
