import * as tf from '@tensorflow/tfjs-core';

/**
 * Frees what tfjs saved for a differentiation that ended with an error: it keeps that beyond every scope, and forgets it when the next
 * one begins.
 */
export function forgetTape(): void {
  const { state } = tf.engine();
  if (state.gradientDepth > 0) return;
  // tfjs leaves null behind a differentiation that went well, which its types leave out.
  for (const { saved } of (state.activeTape as typeof state.activeTape | null) ?? []) tf.dispose(saved ?? []);
  state.activeTape = [];
}
