/** Data that cannot be learnt from, as a caller of `fineTune` and `evaluate` meets it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addHead, classification, evaluate, fineTune, loadPretrained, runtime } from 'transferkit';
import { examples, imageFolder, table } from 'transferkit/data';
import { expectNoLeaks } from 'transferkit/testing';
import { emptyFolder, fails, folderOf, photo, photoFolder, published } from './fixtures.js';

await runtime.chooseBackend('wasm');

const quick = { epochs: 1, progress: false } as const;
const rows = 'text,label\ngood,yes\nbad,no\nfine,yes\npoor,no\n';

describe('a folder of photos', () => {
  const learn = (folder: string) => fineTune(published.image, folder, quick);

  test('that is empty, is not there, or has its photos at the top', async () => {
    const empty = emptyFolder();
    await fails('empty photo folder', () => learn(empty), 'bad-data', empty, 'an empty folder', 'one sub-folder of photos per class');
    await fails('missing photo folder', () => learn('no-such-photos'), 'not-found', '"no-such-photos"', 'Fix:');
    await fails('photos at the top', () => learn(folderOf({ 'a.jpg': 'x', 'b.jpg': 'x' })), 'bad-data', '2 photos directly in it');
    await fails(
      'no photos at all',
      () => learn(folderOf({ 'cat/a.txt': 'x', 'dog/b.txt': 'x' })),
      'bad-data',
      '"cat"',
      'holds no photo',
      'jpg',
    );
  });

  test('with one class only', async () => {
    await fails('one class of photos', () => learn(photoFolder({ cat: 2 })), 'bad-data', 'one class only, "cat"', 'at least two');
  });

  test('that is split into parts', async () => {
    await fails('train and test folders', () => learn(photoFolder({ train: 2, test: 2 })), 'bad-data', 'parts of a split', '/train")');
  });

  test('with a text file named .jpg: an error that names it', async () => {
    const folder = photoFolder({ cat: 3, dog: 3 }, { 'dog/notes.jpg': 'shopping: milk, eggs, bread' });
    await fails('text named .jpg', () => learn(folder), 'corrupt-file', 'dog/notes.jpg', 'is not a picture', 'text', "onBadItem: 'skip'");
    const data = await imageFolder(folder);
    using model = addHead(await loadPretrained<'image'>(published.image), classification(['cat', 'dog']));
    await fails('text named .jpg in evaluate', () => evaluate(model, data), 'corrupt-file', 'dog/notes.jpg');
  });

  test('with a text file named .jpg: left out, counted and listed', async () => {
    const broken = { 'dog/notes.jpg': 'shopping: milk, eggs, bread', 'cat/cut.jpg': readFileSync(photo('truncated.jpg')) };
    const data = await imageFolder(photoFolder({ cat: 3, dog: 3, owl: 0 }, broken), { onBadItem: 'skip' });
    await expectNoLeaks(async () => {
      const { model, history, plan } = await fineTune(published.image, data, quick);
      expect(history.skipped.map(({ id }) => id).sort()).toEqual(['cat/cut.jpg', 'dog/notes.jpg']);
      expect(history.skipped.find(({ id }) => id === 'dog/notes.jpg')!.reason).toContain('is not a picture');
      expect(plan.examples.train).toBe(8);
      const report = await evaluate(model, data);
      expect(report.skipped.map(({ id }) => id).sort()).toEqual(['cat/cut.jpg', 'dog/notes.jpg']);
      expect(report.count).toBe(6);
      expect(report.toJSON()).toHaveProperty('count', 6);
      model.dispose();
    });
  });

  test('bad photos of training and of validation are both listed, each once', async () => {
    const folder = photoFolder({ cat: 4, dog: 4 }, { 'dog/notes.jpg': 'text', 'empty/readme.txt': 'text' });
    const { train, validation } = (await imageFolder(folder, { onBadItem: 'skip' })).split({ validation: 0.4 });
    const { model, history } = await fineTune(published.image, train, { ...quick, validation });
    expect(history.skipped.map(({ id }) => id).sort()).toEqual(['dog/notes.jpg', 'empty']);
    const other = await imageFolder(photoFolder({ cat: 1, dog: 1 }, { 'cat/letter.png': 'dear aunt' }), { onBadItem: 'skip' });
    const again = await fineTune(model, train as never, { ...quick, validation: other });
    expect(again.history.skipped.map(({ id }) => id).sort()).toEqual(['cat/letter.png', 'dog/notes.jpg', 'empty']);
    model.dispose();
  });

  test('in which every photo is bad', async () => {
    const data = await imageFolder(folderOf({ 'cat/a.jpg': 'x y z', 'dog/b.jpg': 'x y z' }), { onBadItem: 'skip' });
    await fails(
      'all photos bad',
      () => fineTune(published.image, data, quick),
      'bad-data',
      'no example of',
      '2 were skipped',
      'cat/a.jpg',
      'is not a picture',
    );
    using model = addHead(await loadPretrained<'image'>(published.image), classification(['cat', 'dog']));
    await fails('all photos bad in evaluate', () => evaluate(model, data), 'bad-data', 'no example of', 'cat/a.jpg');
  });

  test('photos that are too large, not pictures, or not there', async () => {
    using model = addHead(await loadPretrained<'image'>(published.image), classification(['cat', 'dog']));
    const predict = (input: unknown) => model.predict(input as never);
    await fails('missing photo', () => predict('no-such.jpg'), 'not-found', '"no-such.jpg"', 'Fix:');
    await fails(
      'too many pixels',
      () => predict({ image: photo('rgb.png'), limits: { maxPixels: 10 } }),
      'too-large',
      'rgb.png',
      'maxPixels',
      'Fix:',
    );
    await fails('cut photo', () => predict(photo('truncated.jpg')), 'corrupt-file', 'truncated.jpg', 'damaged or cut off');
    await fails('text photo', () => predict(photo('text.jpg')), 'corrupt-file', 'text.jpg', 'is not a picture');
    await fails('empty bytes', () => predict(new Uint8Array()), 'corrupt-file', 'Received');
    await fails(
      'pixels that do not fill',
      () => predict({ width: 4, height: 4, data: new Uint8Array(5) }),
      'bad-input',
      '4 x 4 and 5 bytes',
    );
    await fails('a number as a photo', () => predict(7), 'bad-input', 'number 7', 'Expected: a path');
    await fails('nothing as a photo', () => predict(undefined), 'bad-input', 'Received: nothing');
    await fails('one bad photo of many', () => predict([photo('rgb.png'), 'no-such.jpg', photo('grey.png')]), 'not-found', 'no-such.jpg');
  });
});

describe('a table of texts', () => {
  const learn = (content: string, name = 'rows.csv') => fineTune(published.text, join(folderOf({ [name]: content }), name), quick);

  test('without the column', async () => {
    const path = join(folderOf({ 'rows.csv': rows }), 'rows.csv');
    await fails(
      'no such text column',
      () => table(path, { text: 'body', label: 'label' }),
      'bad-data',
      path,
      'no column "body"',
      'Columns: "text", "label"',
    );
    await fails('mistyped column', () => table(path, { text: 'text', label: 'labels' }), 'bad-data', 'Did you mean "label"?');
    await fails(
      'columns that cannot be guessed',
      () => learn('a,b,c\n1,2,3\n'),
      'bad-data',
      'cannot tell which column',
      '"a", "b", "c"',
      'Fix:',
    );
  });

  test('that is empty, not there, or has one class only', async () => {
    await fails('empty table', () => learn(''), 'bad-data', 'rows.csv', 'Expected');
    await fails('a header alone', () => learn('text,label\n'), 'bad-data', 'no row below the header');
    await fails('missing table', () => fineTune(published.text, 'no-such.csv', quick), 'not-found', 'no-such.csv', 'Fix:');
    await fails(
      'one class of texts',
      () => learn('text,label\ngood,yes\nfine,yes\n'),
      'bad-data',
      'at least 2 different labels',
      'Received: yes',
      'Fix:',
    );
  });

  test('with a row that cannot be used: an error that names it, or a list', async () => {
    const content = `${rows},yes\nlost,\n`;
    await fails('empty text in a row', () => learn(content), 'bad-data', 'row', 'empty', "onBadItem: 'skip'");
    const data = await table(join(folderOf({ 'rows.csv': content }), 'rows.csv'), { onBadItem: 'skip' });
    const { model, history } = await fineTune(published.text, data, quick);
    expect(history.skipped.map(({ id }) => id)).toEqual(['row 6', 'row 7']);
    expect((await evaluate(model, data)).skipped).toHaveLength(2);
    model.dispose();
  });

  test('a picture named .csv', async () => {
    const path = join(emptyFolder(), 'rows.csv');
    writeFileSync(path, readFileSync(photo('rgb.jpg')));
    await fails('picture named .csv', () => fineTune(published.text, path, quick), 'corrupt-file', 'rows.csv');
  });

  test('columns and labels with names that every object has', async () => {
    const content = 'constructor,__proto__\ngood,__proto__\nbad,toString\nfine,__proto__\npoor,toString\n';
    const data = await table(join(folderOf({ 'rows.csv': content }), 'rows.csv'), { text: 'constructor', label: '__proto__' });
    expect(data.labels).toEqual(['__proto__', 'toString']);
    const { model } = await fineTune(published.text, data, quick);
    const { scores } = await model.predict('good');
    expect(Object.keys(scores).sort()).toEqual(['__proto__', 'toString']);
    const report = await evaluate(model, data);
    expect(Object.keys(report.perClass).sort()).toEqual(['__proto__', 'toString']);
    expect(({} as Record<string, unknown>)['support']).toBeUndefined();
    model.dispose();
  });
});

describe('data of the other kind', () => {
  test('an image backbone given a table, a text backbone given a folder', async () => {
    const folder = photoFolder({ cat: 1, dog: 1 });
    const csv = join(folderOf({ 'rows.csv': rows }), 'rows.csv');
    await fails(
      'image backbone, csv',
      () => fineTune(published.image, csv, quick),
      'bad-data',
      'folder of photos',
      csv,
      'is a file',
      'Fix:',
    );
    await fails(
      'image backbone, a table as text',
      () => fineTune(published.image, rows.repeat(200), quick),
      'bad-data',
      'is a table',
      'Fix:',
    );
    await fails(
      'text backbone, folder',
      () => fineTune(published.text, folder, quick),
      'bad-data',
      'table of texts',
      folder,
      'is a folder',
      'Fix:',
    );
  });

  test('a data set of the other kind, in training, validation and evaluation', async () => {
    const texts = examples([
      { text: 'good', label: 'cat' },
      { text: 'bad', label: 'dog' },
    ]);
    const photos = await imageFolder(photoFolder({ cat: 1, dog: 1 }));
    await fails('image backbone, texts', () => fineTune(published.image, texts as never, quick), 'bad-data', 'takes photos', 'holds texts');
    using model = addHead(await loadPretrained<'image'>(published.image), classification(['cat', 'dog']));
    await fails('image model, texts', () => fineTune(model, texts as never, quick), 'bad-data', 'takes photos', 'holds texts');
    await fails(
      'image model, texts to validate',
      () => fineTune(model, photos as never, { ...quick, validation: texts as never }),
      'bad-data',
      'holds texts',
    );
    await fails('image model, texts to evaluate', () => evaluate(model, texts as never), 'bad-data', 'holds texts');
    await fails(
      'a path instead of a data set',
      () => fineTune(model, 'photos/' as never, quick),
      'bad-option',
      'the path "photos/"',
      'imageFolder',
    );
    await fails('a path to evaluate', () => evaluate(model, 'photos/' as never), 'bad-option', 'imageFolder');
    await fails('an array', () => evaluate(model, [] as never), 'bad-option', 'an array of 0', 'examples(list)');
  });
});

describe('labels', () => {
  const some = (...labels: string[]) => examples(labels.map((label, index) => ({ text: `text number ${index}`, label })));

  test('a label in validation that training lacks', async () => {
    const validation = some('yes', 'maybe');
    await fails(
      'label only in validation',
      () => fineTune(published.text, some('yes', 'no'), { ...quick, validation: validation as never }),
      'bad-data',
      'validation data',
      '"maybe"',
      'Known: no, yes',
      'Fix:',
    );
    await fails(
      'label only in evaluation',
      async () => {
        using model = addHead(await loadPretrained<'text'>(published.text), classification(['no', 'yes']));
        await evaluate(model, validation);
      },
      'bad-data',
      '"maybe"',
      'Known: no, yes',
      'Fix:',
    );
  });

  test('a label that the head knows and training lacks is pointed out in the plan', async () => {
    using model = addHead(await loadPretrained<'text'>(published.text), classification(['no', 'yes', 'maybe']));
    const { plan } = await fineTune(model, some('yes', 'no') as never, { ...quick, validation: some('yes', 'maybe') as never });
    expect(plan.describe()).toContain('no training example has its labels "maybe"');
  });

  test('one label, no label, labels that are numbers', async () => {
    await fails('one label', () => fineTune(published.text, some('yes', 'yes'), quick), 'bad-data', 'at least 2 different labels');
    await fails(
      'numbers as labels',
      () =>
        fineTune(
          published.text,
          examples([
            { text: 'a', target: 1 },
            { text: 'b', target: 2 },
          ]) as never,
          quick,
        ),
      'bad-data',
      'are no labels',
      'Received: 1 for example 0',
      'Fix:',
    );
    await fails('a head with one label', () => classification(['yes']), 'bad-data', 'at least 2');
    await fails('no examples', () => examples([]), 'bad-data', 'received nothing');
  });

  test('no examples left', async () => {
    using model = addHead(await loadPretrained<'text'>(published.text), classification(['no', 'yes']));
    await fails(
      'an empty data set',
      () => fineTune(model, some('yes', 'no').take(0) as never, quick),
      'bad-data',
      'nothing to learn from',
      'has no examples',
    );
    await fails('an empty data set to evaluate', () => evaluate(model, some('yes', 'no').take(0)), 'bad-data', 'nothing to evaluate');
  });
});

test('texts that are none', async () => {
  using base = await loadPretrained<'text'>(published.text);
  await fails('empty text', () => base.embed(''), 'bad-input', 'an empty string', 'Fix:');
  await fails('a number as text', () => base.embed(5 as never), 'bad-input', 'the number 5');
  await fails('nothing as text', () => base.embed(undefined as never), 'bad-input', 'nothing');
  await fails(
    'a text that is too long',
    () => base.embed('x'.repeat(2_000_000)),
    'too-large',
    '2000000 characters',
    'at most 1000000',
    'Fix:',
  );
});
