import { layers } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { Activation } from './activation.js';
import { Dropout } from './dropout.js';
import type { LayerChain } from './layer-chain.js';
import { LayerNormalization } from './layer-normalization.js';
import { MultiHeadAttention } from './multi-head-attention.js';
import { seededInitializerByName } from './seeded-uniform.js';

/** Sizes and habits of an encoder layer. */
export interface TransformerLayerSettings {
  readonly hiddenSize: number;
  readonly heads: number;
  readonly intermediateSize: number;
  /** One of `activationNames`. */
  readonly activation: string;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly epsilon: number;
}

/** A dense layer with small seeded weights. Weights: `kernel` [in, units], `bias` [units]. */
export const projection = (name: string, units: number, activation: 'linear' | 'tanh' = 'linear'): layers.Layer =>
  layers.dense({ name, units, activation, kernelInitializer: seededInitializerByName(0.02, name) });

/**
 * One encoder layer that normalises after each residual sum, as BERT does.
 *
 * Its layers are called `<name>/attention/query`, `.../key`, `.../value`, `.../scores`, `.../output`, `.../normalization`,
 * `<name>/intermediate`, `<name>/output`, `<name>/normalization`; a weight's name is appended: `/kernel`, `/bias`, `/gamma`, `/beta`.
 *
 * @param hidden float32 [batch, tokens, hiddenSize]
 * @param mask int32 [batch, tokens], 1 for a token and 0 for padding
 */
export function transformerLayer(
  chain: LayerChain,
  name: string,
  settings: TransformerLayerSettings,
  hidden: SymbolicTensor,
  mask: SymbolicTensor,
): SymbolicTensor {
  const attended = addAndNormalise(
    chain,
    `${name}/attention`,
    settings,
    selfAttention(chain, `${name}/attention`, settings, hidden, mask),
    hidden,
  );
  return addAndNormalise(chain, name, settings, feedForward(chain, name, settings, attended), attended);
}

/** Projections, attention of several heads, and the projection behind them. */
function selfAttention(chain: LayerChain, name: string, settings: TransformerLayerSettings, hidden: SymbolicTensor, mask: SymbolicTensor) {
  const projected = ['query', 'key', 'value'].map((part) => chain.apply(projection(`${name}/${part}`, settings.hiddenSize), hidden));
  const attention = new MultiHeadAttention({ name: `${name}/scores`, heads: settings.heads, dropout: settings.attentionDropout });
  return chain.apply(projection(`${name}/output`, settings.hiddenSize), chain.apply(attention, [...projected, mask]));
}

/** Two projections with the activation between them. */
function feedForward(chain: LayerChain, name: string, settings: TransformerLayerSettings, hidden: SymbolicTensor) {
  const wide = chain.apply(projection(`${name}/intermediate`, settings.intermediateSize), hidden);
  const active = chain.apply(new Activation({ name: `${name}/activation`, activation: settings.activation }), wide);
  return chain.apply(projection(`${name}/output`, settings.hiddenSize), active);
}

/** Dropout, the residual sum, layer normalisation. */
function addAndNormalise(
  chain: LayerChain,
  name: string,
  settings: TransformerLayerSettings,
  update: SymbolicTensor,
  residual: SymbolicTensor,
) {
  const dropped = chain.apply(new Dropout({ name: `${name}/dropout`, rate: settings.hiddenDropout }), update);
  const sum = chain.apply(layers.add({ name: `${name}/residual` }), [dropped, residual]);
  return chain.apply(new LayerNormalization({ name: `${name}/normalization`, epsilon: settings.epsilon }), sum);
}
