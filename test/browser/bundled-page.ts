import { fineTune, loadPretrained, runtime } from 'transferkit';
import { examples } from 'transferkit/data';
import { expectNoLeaks } from 'transferkit/testing';
import { registerPage } from './register-page.js';

/** A picture of one colour, as a canvas gives it. */
function drawn(color: string): ImageData {
  const context = new OffscreenCanvas(40, 40).getContext('2d')!;
  context.fillStyle = color;
  context.fillRect(0, 0, 40, 40);
  return context.getImageData(0, 0, 40, 40);
}

const requested = (name: string): string[] =>
  performance
    .getEntriesByType('resource')
    .map((entry) => entry.name)
    .filter((address) => address.includes(name));

function check(holds: boolean, complaint: string): void {
  if (!holds) throw new Error(complaint);
}

/** Runs work as a page over plain http does, where there is no `crypto.subtle`. */
async function insecurely(work: () => Promise<void>): Promise<void> {
  Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true });
  try {
    await work();
  } finally {
    Reflect.deleteProperty(crypto, 'subtle');
  }
}

async function loads(name: string, features: number): Promise<void> {
  await runtime.chooseBackend('cpu');
  await expectNoLeaks(async () => {
    using base = await loadPretrained(name);
    const { values } = await base.embed(base.modality === 'text' ? 'a red rose' : drawn('rgb(200, 20, 20)'));
    check(values.length === features && values.every(Number.isFinite), `received ${values.length} values`);
    check(base.provenance.origin === `bundled://${name}`, `received ${base.provenance.origin}`);
  });
}

registerPage([
  {
    name: 'nothing of the weights is fetched before it is asked for',
    run: () => Promise.resolve(check(requested('safetensors').length === 0, requested('safetensors').join())),
  },
  {
    name: 'a network that ships with the package is fetched from where the bundler put it',
    run: async () => {
      await loads('text-small', 256);
      check(requested('text-small').length > 0, 'the file was not fetched');
      check(requested('image-small').length === 0, 'another file was fetched');
    },
  },
  {
    name: 'onnxruntime-web is fetched from where the bundler put it, and computes with the threads of the page',
    run: async () => {
      await runtime.chooseBackend('cpu');
      using base = await loadPretrained('text-small');
      const words = /computed by onnxruntime-web [\d.]+, (\d+) thread/.exec(base.describe());
      check(Number(words?.[1]) === (crossOriginIsolated ? navigator.hardwareConcurrency : 1), base.describe());
      const files = requested('ort').filter((address) => address.endsWith('.wasm'));
      check(files.length === 1 && files[0]!.includes('/assets/ort-wasm-simd-threaded-'), files.join());
      using plain = await loadPretrained('text-small', { engine: 'eager' });
      const [one, other] = [(await base.embed('a red rose')).values, (await plain.embed('a red rose')).values];
      const apart = Math.max(...one.map((value, index) => Math.abs(value - other[index]!)));
      check(apart < 1e-5, `both engines differ by ${apart}`);
    },
  },
  { name: 'the others load too', run: () => loads('image-small', 1280).then(() => loads('text-transformer', 256)) },
  { name: 'a page that is not secure loads them as well', run: () => insecurely(() => loads('text-small', 256)) },
  {
    name: 'data alone is enough to learn from',
    run: async () => {
      const drawings = [20, 30, 40, 50].flatMap((shade) => [
        { image: drawn(`rgb(${220 - shade}, ${shade}, 20)`), label: 'red' },
        { image: drawn(`rgb(20, ${shade}, ${220 - shade})`), label: 'blue' },
      ]);
      const { model, plan } = await fineTune(examples(drawings), { epochs: 20 });
      const { label } = await model.predict(drawn('rgb(190, 35, 25)'));
      model.dispose();
      check(label === 'red', `received ${label}`);
      check(plan.describe().includes('image-small, which ships with the package'), plan.describe());
    },
  },
]);
