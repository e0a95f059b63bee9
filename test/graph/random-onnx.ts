import fc from 'fast-check';
import { onnxTypeBytes } from '../../src/graph/onnx-fields.js';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxType, OnnxValue } from '../../src/graph/onnx-model.js';

const numberTypes = Object.keys(onnxTypeBytes) as Exclude<OnnxType, 'string'>[];
const text = fc.string({ unit: 'grapheme', maxLength: 150 });
const sizes = fc.array(fc.nat(4), { maxLength: 4 });

/** Any tensor, with any bytes. */
export const anyTensor: fc.Arbitrary<OnnxTensor> = fc.tuple(fc.constantFrom(...numberTypes), sizes).chain(([type, shape]) => {
  const length = shape.reduce((product, size) => product * size, onnxTypeBytes[type]);
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({ type, shape, bytes }));
});

const anyAttribute: fc.Arbitrary<OnnxAttribute> = fc.oneof(
  fc.record({ int: fc.maxSafeInteger() }),
  fc.record({ float: fc.float() }),
  fc.record({ text }),
  fc.record({ ints: fc.array(fc.maxSafeInteger()) }),
  fc.record({ floats: fc.array(fc.float()) }),
  fc.record({ tensor: anyTensor }),
);

const anyValue = (name: string): fc.Arbitrary<OnnxValue> =>
  fc.record({
    name: fc.constant(name),
    type: fc.constantFrom(...numberTypes, 'string' as const),
    shape: fc.array(
      fc.oneof(
        fc.maxSafeInteger().map(Math.abs),
        text.filter((name) => name !== ''),
      ),
      { maxLength: 4 },
    ),
  });

/** Nodes that use what stands before them, as ONNX demands. */
function anyNodes(available: readonly string[]): fc.Arbitrary<OnnxNode[]> {
  const plan = fc.record({
    operator: text,
    domain: fc.constantFrom('', 'com.microsoft'),
    picks: fc.array(fc.nat(1000), { maxLength: 3 }),
    results: fc.integer({ min: 1, max: 3 }),
    attributes: fc.dictionary(text, anyAttribute, { maxKeys: 3 }),
  });
  return fc.array(plan, { maxLength: 8 }).map((plans) => {
    const known = ['', ...available];
    return plans.map(({ operator, domain, picks, results, attributes }, node) => {
      const inputs = picks.map((pick) => known[pick % known.length]!);
      const outputs = Array.from({ length: results }, (_, index) => `n${node}:${index}`);
      known.push(...outputs);
      return { operator, domain, inputs, outputs, attributes };
    });
  });
}

/** Any model whose nodes are in order; its operators mean nothing. */
export const anyModel: fc.Arbitrary<OnnxModel> = fc
  .record({ inputs: fc.integer({ min: 1, max: 3 }), constants: fc.array(anyTensor, { maxLength: 4 }) })
  .chain(({ inputs, constants }) => {
    const names = Array.from({ length: inputs }, (_, index) => `in${index}`);
    const weights = constants.map((tensor, index): [string, OnnxTensor] => [`weight ${index} ж`, tensor]);
    return anyNodes([...names, ...weights.map(([name]) => name)]).chain((nodes) =>
      fc.record({
        name: text,
        nodes: fc.constant(nodes),
        constants: fc.constant(new Map(weights)),
        inputs: fc.tuple(...names.map(anyValue)),
        outputs: fc.tuple(...nodes.slice(-2).map((node) => anyValue(node.outputs[0]!))),
        operatorSets: fc.record({ '': fc.integer({ min: 1, max: 30 }), 'com.microsoft': fc.nat() }),
        metadata: fc.dictionary(text, text, { maxKeys: 3 }),
      }),
    );
  });
