import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelCard, type ModelCardFacts } from '../../src/saving/model-card.js';
import { yamlText } from '../../src/saving/yaml-text.js';

// No dependency of ours, but other tools bring one; where none is there, the checks on the text below have to do.
const packageName: string = 'js-yaml';
const parser = (await import(packageName).catch(() => undefined)) as { load(text: string): Record<string, unknown> } | undefined;
if (parser === undefined) console.warn('model-card.test: no YAML parser is installed, so the front matter is not parsed');

const facts: ModelCardFacts = {
  name: 'flowers-model',
  modality: 'image',
  pipelineTag: 'image-classification',
  labels: ['daisy', 'rose'],
  base: { family: 'mobilenet-v2', origin: 'hf://google/mobilenet_v2_1.0_224', revision: 'abc123', license: 'Apache-2.0' },
  training: {
    data: 'photos/train',
    examples: { train: 120, validation: 12 },
    classCounts: { daisy: 70, rose: 50 },
    recipe: ['The head learns for 5 epochs.', 'AdamW at 0.003.'],
  },
  metrics: { data: 'photos/test', count: 1040, values: { loss: 0.25, accuracy: 0.925, top5Accuracy: 1, macroF1: 0.9 } },
};

const frontMatter = (card: string): string => /^---\n([^]*?)\n---\n/.exec(card)![1]!;
const parsed = (card: string): Record<string, any> => parser!.load(frontMatter(card)) as Record<string, any>;

describe('the front matter', () => {
  it('says what the Hub asks for', () => {
    const text = frontMatter(modelCard(facts));
    for (const line of [
      'license: apache-2.0',
      'library_name: transferkit',
      'pipeline_tag: image-classification',
      'base_model: google/mobilenet_v2_1.0_224',
      'base_model_relation: finetune',
      '  - mobilenet-v2',
      '  - accuracy',
      'model-index:',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });

  it.skipIf(parser === undefined)('is YAML, results and all', () => {
    const data = parsed(modelCard(facts));
    expect(data['metrics']).toEqual(['loss', 'accuracy', 'f1']);
    expect(data['model-index']).toEqual([
      {
        name: 'flowers-model',
        results: [
          {
            task: { type: 'image-classification' },
            dataset: { name: 'photos/test', type: 'photos/test' },
            metrics: [
              { type: 'loss', name: 'loss', value: 0.25 },
              { type: 'accuracy', name: 'accuracy', value: 0.925 },
              { type: 'accuracy', name: 'top 5 accuracy', value: 1 },
              { type: 'f1', name: 'macro F1', value: 0.9 },
            ],
          },
        ],
      },
    ]);
  });

  it('leaves out what is not known', () => {
    const text = frontMatter(
      modelCard({ name: 'm', modality: 'text', pipelineTag: 'text-classification', base: { family: 'bert', origin: './my-bert' } }),
    );
    expect(text).not.toMatch(/license|base_model|metrics|model-index|undefined/);
  });

  it.skipIf(parser === undefined)('survives any text', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        'yes',
        'no',
        'null',
        '~',
        'a: b',
        '- x',
        '# c',
        '"',
        "'",
        '1.0',
        '0x1f',
        '1_000',
        '2001-01-01',
        '---',
        '...',
        '\n',
        '\u2028',
        '\u0085',
        '\ufeff',
        '!!binary x',
        '{a}',
        '*a',
        '&a',
        '|',
        '=',
        '<<',
        '',
      ),
    );
    fc.assert(
      fc.property(anything, anything, anything, (name, data, tag) => {
        const card = modelCard({ ...facts, name, tags: [tag], metrics: { data, count: 1, values: { accuracy: 1 } } });
        const [entry] = parsed(card)['model-index'];
        expect(entry.name).toBe(name);
        expect(entry.results[0].dataset.name).toBe(data);
        expect(parsed(card)['tags']).toContain(tag);
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it('quotes what YAML would take for something else', () => {
    expect(['yes', 'null', '12', 'a: b', 'two\nlines', '', 'line\u2028end'].map(yamlText)).toEqual([
      '"yes"',
      '"null"',
      '"12"',
      '"a: b"',
      '"two\\nlines"',
      '""',
      '"line\\u2028end"',
    ]);
    expect(yamlText('half \ud800')).toBe('"half \ufffd"');
    expect(yamlText('image-classification')).toBe('image-classification');
  });

  it('leaves out figures that are no numbers', () => {
    const text = frontMatter(modelCard({ ...facts, metrics: { data: 'd', count: 1, values: { loss: Number.NaN } } }));
    expect(text).not.toMatch(/nan|model-index/i);
  });
});

describe('the prose', () => {
  const card = modelCard(facts);

  it('shows how to use it in four lines', () => {
    expect(card).toContain(
      "```ts\nimport { loadModel } from 'transferkit';\n\nconst model = await loadModel(\"./flowers-model\");\nconsole.log(await model.predict('photo.jpg'));\n```",
    );
    expect(modelCard({ ...facts, modality: 'text', branches: 2 })).toContain(
      "model.predict(['A sentence of yours.', 'A sentence of yours.'])",
    );
  });

  it('tells base, licence, data, recipe, results and limits', () => {
    for (const piece of [
      'revision `abc123`',
      'Its licence is `Apache-2.0`',
      '120 examples of `photos/train`, 12 examples for validation',
      '- AdamW at 0.003.',
      '| top 5 accuracy | 1 |',
      '| macro F1 | 0.9000 |',
      'On 1,040 examples of `photos/test`',
      '| `daisy` | 70 |',
      'always answers with one of its labels',
      'seen only 120 examples',
    ]) {
      expect(card).toContain(piece);
    }
  });

  it('says so where something is not known', () => {
    const bare = modelCard({
      name: 'm',
      modality: 'text',
      pipelineTag: 'sentence-similarity',
      base: { family: 'bert', origin: './my-bert' },
    });
    for (const piece of ['licence is not known', 'has not been trained', 'has not been evaluated', 'How well it works is not known'])
      expect(bare).toContain(piece);
    expect(bare).not.toContain('## Labels');
  });

  it('shows labels as they are, and lets none of them become markup', () => {
    const odd = ['a|b', 'tick ` tick', '<script>alert(1)</script>', 'two\nlines', '', '| --- |'];
    const listed = modelCard({ ...facts, labels: odd, training: { ...facts.training!, classCounts: { 'a|b': 1 } } });
    for (const piece of ['| `a\\|b` | 1 |', '`` tick ` tick `` | 0 |', '`<script>alert(1)</script>`', '`two lines`', '`\\| --- \\|`'])
      expect(listed).toContain(piece);
    expect(modelCard({ ...facts, name: 'a\n# b <i>' })).toContain('# a \\# b \\<i\\>\n');
  });

  it('lists two hundred labels and counts the others', () => {
    const many = Array.from({ length: 1203 }, (_, index) => `label ${index}`);
    const { training, ...rest } = facts;
    expect(training).toBeDefined();
    const text = modelCard({ ...rest, labels: many });
    expect(text).toContain('`label 199`\n\nand 1,003 more');
    expect(text).not.toContain('label 200');
    expect(text).toContain('into 1,203 labels');
  });

  it('is a pure function of the facts', () => expect(modelCard(facts)).toBe(card));
});
