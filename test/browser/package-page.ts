import { addHead, classification, fineTune, runtime } from 'transferkit';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { expectNoLeaks, tinyBase } from 'transferkit/testing';
import { runtime as web } from 'transferkit/web';
import { registerPage } from './register-page.js';

/** A picture of one colour, as a canvas gives it. */
function drawn(color: string): ImageData {
  const context = new OffscreenCanvas(40, 40).getContext('2d')!;
  context.fillStyle = color;
  context.fillRect(0, 0, 40, 40);
  return context.getImageData(0, 0, 40, 40);
}

registerPage([
  {
    name: "import 'transferkit' takes the web runtime",
    run: () => (runtime === web && runtime.name === 'web' ? Promise.resolve() : Promise.reject(new Error(`it takes ${runtime.name}`))),
  },
  {
    name: 'drawings from a canvas are learnt and told apart',
    run: async () => {
      await runtime.chooseBackend('cpu');
      await expectNoLeaks(async () => {
        const drawings = Array.from({ length: 8 }, (_, index) => [
          { image: drawn(`rgb(${200 + index}, 20, 20)`), label: 'red' },
          { image: drawn(`rgb(20, 20, ${200 + index})`), label: 'blue' },
        ]).flat();
        const model = addHead(await tinyBase(mobilenetV2, runtime), classification(['red', 'blue']), { seed: 1 });
        await fineTune(model, examples(drawings), { epochs: 20, batchSize: 4, validation: 0 });
        const red = await model.predict(drawn('rgb(210, 30, 30)'));
        const blue = await model.predict(drawn('rgb(30, 30, 210)'));
        model.dispose();
        if (red.label !== 'red' || blue.label !== 'blue') throw new Error(`received ${red.label} and ${blue.label}`);
      });
    },
  },
]);
