/** Handles and options used the wrong way. */
import { describe, expect, test } from 'vitest';
import { addHead, classification, evaluate, fineTune, freezeBase, loadPretrained, runtime, type Head } from 'transferkit';
import { examples } from 'transferkit/data';
import { fails, published } from './fixtures.js';

await runtime.chooseBackend('wasm');

const sentences = examples([
  { text: 'good', label: 'yes' },
  { text: 'bad', label: 'no' },
]);

describe('after dispose', () => {
  test('a model and its base are refused, whatever is asked of them', async () => {
    const base = await loadPretrained<'text'>(published.text);
    const model = addHead(base, classification(['no', 'yes']));
    model.dispose();
    model.dispose();
    expect([model.isDisposed, base.isDisposed]).toEqual([true, true]);
    await fails('predict after dispose', () => model.predict('good'), 'disposed', 'model', 'load or train it again');
    await fails('embed after dispose', async () => model.embed('good'), 'disposed');
    await fails('save after dispose', () => model.save('nowhere'), 'disposed');
    await fails('fineTune after dispose', () => fineTune(model, sentences as never), 'disposed');
    await fails('evaluate after dispose', () => evaluate(model, sentences), 'disposed');
    await fails('base.embed after dispose', () => base.embed('good'), 'disposed', 'bert base', 'load it again');
    await fails('addHead after dispose', () => addHead(base, classification(['a', 'b'])), 'disposed');
    await fails('freezeBase after dispose', () => freezeBase(base), 'disposed');
  });

  test('a base that goes takes its models along', async () => {
    const base = await loadPretrained<'text'>(published.text);
    const model = addHead(base, classification(['no', 'yes']));
    base.dispose();
    await fails('predict after base.dispose', () => model.predict('good'), 'disposed');
    model.dispose();
  });
});

describe('nothing to train', () => {
  test('everything is frozen', async () => {
    const base = await loadPretrained<'text'>(published.text);
    const head = classification(['no', 'yes']);
    const fixed: typeof head = {
      ...head,
      build: (context) => {
        const layers = head.build(context);
        for (const layer of layers.layers) layer.trainable = false;
        return layers;
      },
    };
    using model = addHead(freezeBase(base), fixed);
    await fails(
      'nothing to train',
      () => fineTune(model, sentences as never, { progress: false }),
      'nothing-to-train',
      'every weight is frozen',
      'Fix: pass unfreeze',
    );
    expect(model.base.groups.every(({ learns }) => !learns)).toBe(true);
    const { history } = await fineTune(model, sentences as never, { unfreeze: { last: 1 }, headEpochs: 0, epochs: 1, progress: false });
    expect(history.epochs).toHaveLength(1);
  });
});

describe('names and options', () => {
  test('a backend that does not exist', async () => {
    await fails(
      'wrong backend',
      () => loadPretrained(published.text, { backend: 'wsm' }),
      'unknown-name',
      'there is no backend "wsm"',
      'Did you mean "wasm"?',
      'cpu',
    );
    using base = await loadPretrained<'text'>(published.text);
    await base.embed('still works');
  });

  test('options of fineTune', async () => {
    const learn = (options: object) => fineTune(published.text, sentences, { progress: false, ...options });
    await fails('mistyped option', () => learn({ epoch: 3 }), 'unknown-name', 'option of fineTune', 'Did you mean "epochs"?');
    await fails('no epochs', () => learn({ epochs: 0 }), 'bad-option', 'epochs must be', 'Received: 0');
    await fails('epochs in words', () => learn({ epochs: 'three' }), 'bad-option', 'epochs', 'three');
    await fails('all data for validation', () => learn({ validation: 1 }), 'bad-option', 'validation');
    await fails('a path to validate', () => learn({ validation: 'photos/' }), 'bad-option', 'the path "photos/"');
    await fails(
      'a group that does not exist',
      () => learn({ unfreeze: { from: 'layer-9' } }),
      'unknown-name',
      'layer group',
      'Known: embeddings, layer-1, layer-2',
    );
    await fails('unfreeze in words', () => learn({ unfreeze: 'some' }), 'bad-option', 'unfreeze must be', '"some"');
    await fails('class weights of others', () => learn({ classWeights: { yse: 2 } }), 'bad-option', 'Did you mean "yes"?');
    await fails('too little to hold out', () => learn({ validation: 0.5 }), 'bad-data', 'leaves nothing for "validation"', 'Fix:');
  });

  test('a base without the feature that a head takes', async () => {
    const base = await loadPretrained<'text'>(published.text);
    const head: Head<string> = { ...classification(['a', 'b']), takes: ['map'] };
    await fails('missing feature', () => addHead(base, head), 'unsupported', 'has no "map" features', 'pooled', 'Fix:');
    await fails('a head that is none', () => addHead(base, ['a', 'b'] as never), 'bad-option', 'classification(labels)');
    base.dispose();
  });
});
