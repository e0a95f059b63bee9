/** onnxruntime-node, which is an optional dependency. */
export type Ort = typeof import('onnxruntime-node');

/** The package, or why it cannot be had; that is printed. */
export const ortOrReason: Ort | Error = await import('onnxruntime-node').catch((reason: unknown) => {
  console.log(`Graphs are not run: onnxruntime-node cannot be loaded (${String(reason)}).`);
  return reason instanceof Error ? reason : new Error(String(reason));
});
