import { expectTypeOf, test } from 'vitest';
import {
  addHead,
  classification,
  evaluate,
  fineTune,
  freezeBase,
  loadModel,
  loadPretrained,
  type Base,
  type ClassificationReport,
  type ClassPrediction,
  type Embedding,
  type Model,
} from 'transferkit';
import { examples, imageFolder, table, type Dataset } from 'transferkit/data';

type Pet = 'cat' | 'dog';
declare const imageBase: Base<'image'>;
declare const textBase: Base<'text'>;
declare const pets: Dataset<'image', Pet>;

test('labels go from the head to the prediction', async () => {
  const model = addHead(freezeBase(imageBase), classification(['cat', 'dog']));
  expectTypeOf(model.labels).toEqualTypeOf<readonly Pet[]>();
  const prediction = await model.predict('new.jpg');
  expectTypeOf(prediction).toEqualTypeOf<ClassPrediction<Pet>>();
  expectTypeOf(prediction.label).toEqualTypeOf<Pet>();
  expectTypeOf(prediction.scores.cat).toBeNumber();
  // @ts-expect-error a label that the model does not have
  void prediction.scores.owl;
  expectTypeOf(await model.predict(['a.jpg', new Blob()])).toEqualTypeOf<ClassPrediction<Pet>[]>();
  expectTypeOf(await model.embed('a.jpg')).toEqualTypeOf<Embedding>();
});

test('the modality goes from the base to the inputs', () => {
  const images = addHead(imageBase, classification(['cat', 'dog']));
  const texts = addHead(textBase, classification(['cat', 'dog']));
  void images.predict(new Uint8Array());
  // @ts-expect-error a text model takes no bytes
  void texts.predict(new Uint8Array());
  void texts.predict('a cat');
  // @ts-expect-error a text base takes no numbers
  void textBase.embed(5);
  expectTypeOf(freezeBase(imageBase)).toEqualTypeOf<Base<'image'>>();
  // @ts-expect-error an option that does not exist
  freezeBase(imageBase, { unfrezze: 'all' });
});

test('fineTune gives back the model it was given', async () => {
  const model = addHead(imageBase, classification(['cat', 'dog']));
  const tuned = await fineTune(model, pets, { epochs: 3, unfreeze: { last: 2 } });
  expectTypeOf(tuned.model).toEqualTypeOf(model);
  expectTypeOf(tuned.history.ended).toEqualTypeOf<'completed' | 'early-stopping' | 'aborted'>();
  expectTypeOf(tuned.plan.describe()).toBeString();
});

test('fineTune refuses data with other labels, and of the other modality', () => {
  const model = addHead(imageBase, classification(['cat', 'dog']));
  void fineTune(model, examples([{ image: 'a.jpg', label: 'cat' }, { image: 'b.jpg', label: 'dog' }])); // prettier-ignore
  // @ts-expect-error the model has no label "owl"
  void fineTune(model, examples([{ image: 'a.jpg', label: 'owl' }]));
  // @ts-expect-error texts for an image model
  void fineTune(model, examples([{ text: 'a', label: 'cat' }]));
  // @ts-expect-error validation with another label
  void fineTune(model, pets, { validation: examples([{ image: 'a.jpg', label: 'owl' }]) });
  // @ts-expect-error a path is for the one-call form
  void fineTune(model, 'photos/');
  // @ts-expect-error an option that does not exist
  void fineTune(model, pets, { epoch: 3 });
});

test('a part of the labels is enough to learn on', () => {
  const model = addHead(imageBase, classification(['cat', 'dog', 'owl']));
  void fineTune(model, pets);
});

test('labels that are only known when the program runs are strings', async () => {
  const photos = await imageFolder('photos');
  const model = addHead(imageBase, classification(photos.labels));
  const { model: tuned } = await fineTune(model, photos);
  expectTypeOf((await tuned.predict('a.jpg')).label).toEqualTypeOf<string>();
});

test('the one-call form types its labels where the data knows them', async () => {
  const { model } = await fineTune('bert-tiny', examples([{ text: 'good', label: 'yes' }, { text: 'bad', label: 'no' }])); // prettier-ignore
  expectTypeOf((await model.predict('fine')).label).toEqualTypeOf<'yes' | 'no'>();
  const fromTable = await fineTune('bert-tiny', await table('rows.csv'), { epochs: 2, offline: true, endpoint: 'http://localhost' });
  expectTypeOf((await fromTable.model.predict('fine')).label).toEqualTypeOf<string>();
  const fromPath = await fineTune('mobilenet-v2', 'photos/');
  expectTypeOf(fromPath.model).toEqualTypeOf<Model>();
  expectTypeOf((await fromPath.model.predict('new.jpg')).label).toEqualTypeOf<string>();
  // @ts-expect-error an option of neither loading nor training
  void fineTune('mobilenet-v2', 'photos/', { epoch: 2 });
});

test('without a base, the data alone says what comes out', async () => {
  const pet = await fineTune(pets, { epochs: 3, unfreeze: 'all', offline: true });
  expectTypeOf(pet.model).toEqualTypeOf<Model<'image', Pet>>();
  expectTypeOf((await pet.model.predict(new Uint8Array())).label).toEqualTypeOf<Pet>();
  expectTypeOf((await fineTune(pets)).model).toEqualTypeOf<Model<'image', Pet>>();
  const { model, plan } = await fineTune(examples([{ text: 'good', label: 'yes' }, { text: 'bad', label: 'no' }])); // prettier-ignore
  expectTypeOf((await model.predict('fine')).label).toEqualTypeOf<'yes' | 'no'>();
  expectTypeOf(plan.decisions).toEqualTypeOf<readonly string[]>();
  expectTypeOf((await fineTune('photos/')).model).toEqualTypeOf<Model>();
  expectTypeOf((await fineTune('tickets.csv', { epochs: 2, seed: 1 })).model).toEqualTypeOf<Model>();
  // @ts-expect-error an option that does not exist
  void fineTune('photos/', { epoch: 2 });
  // @ts-expect-error an option that does not exist
  void fineTune(pets, { epoch: 2 }); // eslint-disable-line @typescript-eslint/no-unsafe-class-instance-assignment
  // @ts-expect-error validation of the other modality
  void fineTune(pets, { validation: examples([{ text: 'a', label: 'cat' }]) }); // eslint-disable-line @typescript-eslint/no-unsafe-class-instance-assignment
  // @ts-expect-error nothing to learn from
  void fineTune();
  // @ts-expect-error a model needs data
  void fineTune(addHead(imageBase, classification(['cat', 'dog'])));
});

test('evaluate knows the labels', async () => {
  const model = addHead(imageBase, classification(['cat', 'dog']));
  const report = await evaluate(model, pets);
  expectTypeOf(report).toExtend<ClassificationReport<Pet>>();
  expectTypeOf(report.perClass.cat.f1).toBeNumber();
  // @ts-expect-error a class that the model does not have
  void report.perClass.owl;
  expectTypeOf(report.skipped[0]!.reason).toBeString();
  // @ts-expect-error texts for an image model
  void evaluate(model, examples([{ text: 'a', label: 'cat' }]));
});

test('what is loaded says what it is where the caller knows it', async () => {
  expectTypeOf(await loadPretrained('mobilenet-v2')).toEqualTypeOf<Base>();
  expectTypeOf(await loadPretrained<'text'>('minilm')).toEqualTypeOf<Base<'text'>>();
  const model = await loadModel<'image', Pet>('pets-model');
  expectTypeOf(model).toEqualTypeOf<Model<'image', Pet>>();
  expectTypeOf((await model.predict('a.jpg')).label).toEqualTypeOf<Pet>();
  expectTypeOf((await (await loadModel('any')).predict('a.jpg')).label).toEqualTypeOf<string>();
});
