import { bundlePage } from './bundle-page.js';
import { testInChromium } from './open-chromium.js';

await testInChromium(async () => ({
  page: { title: 'in Chromium', files: await bundlePage('page.ts'), isolated: false },
  threads: {
    title: 'in Chromium with threads, without tfjs-backend-webgl',
    files: await bundlePage('threads-page.ts', { absent: ['@tensorflow/tfjs-backend-webgl'] }),
    isolated: true,
  },
}));
