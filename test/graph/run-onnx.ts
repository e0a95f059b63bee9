import type { InferenceSession, Tensor } from 'onnxruntime-node';

/** Runs a model in ONNX Runtime, as it stands in the bytes. */
export async function runOnnx(
  bytes: Uint8Array,
  feeds: Record<string, [values: ArrayLike<number>, shape: readonly number[]]>,
): Promise<Record<string, { shape: readonly number[]; values: number[] }>> {
  const runtime = await import('onnxruntime-node');
  const session: InferenceSession = await runtime.InferenceSession.create(bytes, {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 3,
  });
  const tensors = Object.entries(feeds).map(([name, [values, shape]]): [string, Tensor] => [
    name,
    new runtime.Tensor('float32', Float32Array.from(values), [...shape]),
  ]);
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [name, { shape: dims, values: Array.from(data as Float32Array, Number) }]),
  );
}
