import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { runtime } from '../../src/runtimes/web.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinySamples } from '../../src/testing/tiny-model.js';
import { registerPage } from './register-page.js';

const family = mobilenetV2 as never;

/** What the page is to find, in the words of the base; it stands in the page's address. */
const installed = !location.pathname.includes('absent');
const words = installed
  ? ['onnxruntime-web 1.', 'does not start: ', '(its .wasm files must be where']
  : ['onnxruntime-web not installed (npm install onnxruntime-web: networks then run on a graphics card'];

const cases: readonly ConformanceCase[] = [
  {
    name: 'tfjs computes, and one line says why',
    run: async () => {
      await runtime.chooseBackend('cpu');
      using base = await tinyBase(family, runtime);
      check(base.engine.name === 'eager', base.describe());
      const line = base.describe().split('\n').at(-1)!;
      for (const piece of ['computed by tfjs (cpu): ', ...words]) check(line.includes(piece), line);
      const { values } = await base.embed(tinySamples(family).items[0]!.input);
      check(values.every(Number.isFinite), 'what it embeds are no numbers');
    },
  },
  {
    name: 'who asked for ONNX Runtime is told',
    run: async () => {
      await expectFailure(
        () => tinyBase(family, runtime, 3, { engine: 'onnx' }),
        'missing-package',
        'the engine "onnx" was asked for',
        ...words,
      );
    },
  },
];
registerPage(cases);
