import { createBackends as createBackendsOf, type Backends } from '../create-backends.js';
import { importPackage, nodeBackends, type NodeBackendRecipe, type PackageImporter } from './backend-recipes.js';
import { withoutListeners } from './without-listeners.js';

/** The order in which backends are tried when none is asked for. */
const order = ['tensorflow', 'wasm', 'cpu'];

/** What `createBackends` may be given, for tests. */
export interface BackendsOptions {
  readonly importPackage?: PackageImporter;
  readonly environment?: (name: string) => string | undefined;
  readonly recipes?: readonly NodeBackendRecipe[];
}

/** Makes the chooser of the tfjs backend of this process. `TRANSFERKIT_BACKEND` asks for one from outside. */
export function createBackends(options: BackendsOptions = {}): Backends {
  const { importPackage: load = importPackage, environment = (name: string) => process.env[name], recipes = nodeBackends } = options;
  return createBackendsOf({
    recipes: recipes.map((recipe) => ({ ...recipe, prepare: () => recipe.prepare(load) })),
    order,
    place: `Node ${process.versions.node}`,
    fix: 'npm install @tensorflow/tfjs-backend-wasm',
    wanted: () => environment('TRANSFERKIT_BACKEND'),
    aroundStart: withoutListeners,
  });
}

export const backends = createBackends();
