import { createBackends } from '../create-backends.js';
import { webBackends } from './backend-recipes.js';

export const backends = createBackends({
  recipes: webBackends,
  order: webBackends.map(({ name }) => name),
  place: 'the web',
  fix: 'npm install @tensorflow/tfjs-backend-webgl, or say with configureWeb({ wasmPaths }) where the .wasm files are.',
});
