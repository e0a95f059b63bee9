import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const verbs = [
  'load-pretrained',
  'freeze-base',
  'add-head',
  'fine-tune',
  'evaluate',
  'load-model',
  'load-adapter',
  'find-learning-rate',
  'cross-validate',
  'few-shot',
  'preview-augmentation',
  'export-onnx',
  'export-tfjs',
];
const noVerbs = { regex: `(^|/)(${verbs.join('|')})\\.js$`, message: 'nobody imports a verb: verbs -> contracts <- plug-ins' };
const noNode = { regex: '^node:', message: 'only src/runtimes may use node:*' };
const noTensors = { regex: '^@tensorflow/', message: 'file formats are pure: no tfjs here' };
const noOtherPlugins = {
  regex: '^\\.\\./(backbones/(?!backbone)|sources/(?!source)|heads/(?!head))',
  message: 'plug-ins know contracts, not each other',
};

/** Forbids imports in some files. */
const forbid = (files, ...patterns) => ({ files, rules: { 'no-restricted-imports': ['error', { patterns }] } });

export default tseslint.config(
  { ignores: ['dist/**', 'docs/api/**', '.docs-blocks/**', 'node_modules/**', 'test/golden/**', '**/*.js', '**/*.mjs'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      // An index inside a checked range is the normal case in numeric code; a `!` says so, and `any` stays forbidden.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNullish: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      // Callers in plain JavaScript pass what the types forbid; it is checked all the same.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 350 }],
      'max-lines-per-function': ['error', { max: 60 }],
      complexity: ['error', 16],
    },
  },
  forbid(['src/*.ts'], noNode),
  forbid(
    [
      'src/{data,training,evaluation,layers,engines,inputs,inference,saving,common}/**/*.ts',
      'src/{adapters,feature-cache,solving,workers,few-shot,validation,exporting}/**/*.ts',
    ],
    noVerbs,
    noNode,
  ),
  forbid(['src/{backbones,sources,heads}/**/*.ts'], noVerbs, noNode, noOtherPlugins),
  forbid(['src/weights/**/*.ts'], noVerbs, noNode, noTensors),
  forbid(['src/weights/{fill-model,weight-mismatch}.ts'], noVerbs, noNode),
  forbid(['src/runtimes/**/*.ts'], noVerbs),
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'tools/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-plus-operands': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
    },
  },
);
