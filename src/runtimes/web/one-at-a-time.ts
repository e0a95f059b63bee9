import type { OnnxRuntime, OrtSession } from '../../engines/onnx/onnx-runtime.js';

/**
 * ONNX Runtime with sessions that wait for each other. On a graphics card its calls return before they are done, and a second one
 * meanwhile, of whichever session, would disturb the first.
 */
export function oneAtATime({ Tensor, env, InferenceSession }: OnnxRuntime): OnnxRuntime {
  /** Ends with the last call that was asked for. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(call: () => Promise<Result>): Promise<Result> => {
    const result = last.then(call);
    last = result.catch(() => undefined);
    return result;
  };
  const queued = (session: OrtSession): OrtSession => ({
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    run: (feeds, fetches) => inTurn(() => session.run(feeds, fetches)),
    release: () => inTurn(() => session.release()),
  });
  const create: OnnxRuntime['InferenceSession']['create'] = (model, options) =>
    inTurn(async () => queued(await InferenceSession.create(model, options)));
  return { Tensor, env, InferenceSession: { create } };
}
