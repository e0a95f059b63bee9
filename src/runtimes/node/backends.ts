import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients; core alone has none
import { TransferKitError } from '../../errors.js';
import { unknownName } from '../../nearest-name.js';
import type { BackendChoice, BackendTrial } from '../runtime.js';
import { importPackage, nodeBackends, type BackendRecipe, type PackageImporter } from './backend-recipes.js';
import { probeBackend } from './probe-backend.js';
import { withoutListeners } from './without-listeners.js';
import { withoutWarnings } from './without-warnings.js';

/** The order in which backends are tried when none is asked for. */
const defaultOrder = ['tensorflow', 'wasm', 'cpu'];

/** What `createBackends` may be given, for tests. */
export interface BackendsOptions {
  readonly importPackage?: PackageImporter;
  readonly environment?: (name: string) => string | undefined;
  readonly recipes?: readonly BackendRecipe[];
}

/** Chooses the tfjs backend of this process. */
export interface Backends {
  /** @throws TransferKitError `unknown-name`, `missing-package`, `unsupported` when the backend that was asked for cannot be had. */
  chooseBackend(wanted?: string): Promise<BackendChoice>;
  describe(): string;
}

/** Prepares a backend, makes it the active one and lets it prove itself; gives words about it. */
async function activate(recipe: BackendRecipe, load: PackageImporter): Promise<string> {
  const { value: words, warnings } = await withoutWarnings(async () => {
    const prepared = await recipe.prepare(load);
    return (await withoutListeners(() => tf.setBackend(recipe.name))) ? prepared : undefined;
  });
  if (words === undefined) throw new Error(`tfjs could not start it: ${warnings.join(' ') || 'no reason given'}`);
  await tf.ready();
  await probeBackend();
  return words;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/^[a-z-]+: /, '');

/** Only the first line: module loaders add their search paths below. */
const shortReason = (error: unknown): string => messageOf(error).split('\n')[0]!;

function cannotHave(name: string, error: unknown): TransferKitError {
  if (TransferKitError.isInstance(error)) return error;
  return new TransferKitError(
    'unsupported',
    `the backend "${name}" was asked for and does not work here: ${messageOf(error)}\n  Fix: ask for another, or for none to have the best one chosen.`,
    {
      details: { backend: name },
      cause: error,
    },
  );
}

/** Tries backends in order; the first that works is chosen. */
async function tryInOrder(recipes: readonly BackendRecipe[], load: PackageImporter): Promise<BackendChoice> {
  const trials: BackendTrial[] = [];
  for (const recipe of recipes) {
    try {
      const reason = await activate(recipe, load);
      return { backend: recipe.name, trials: [...trials, { name: recipe.name, chosen: true, reason }] };
    } catch (error) {
      trials.push({ name: recipe.name, chosen: false, reason: shortReason(error) });
    }
  }
  const list = trials.map(({ name, reason }) => `  ${name}: ${reason}`).join('\n');
  throw new TransferKitError(
    'unsupported',
    `no backend works on Node ${process.versions.node}.\n${list}\n  Fix: npm install @tensorflow/tfjs-backend-wasm`,
    {
      details: { trials },
    },
  );
}

async function takeOne(recipe: BackendRecipe, load: PackageImporter): Promise<BackendChoice> {
  try {
    const reason = await activate(recipe, load);
    return { backend: recipe.name, trials: [{ name: recipe.name, chosen: true, reason }] };
  } catch (error) {
    throw cannotHave(recipe.name, error);
  }
}

function describeChoice(choice: BackendChoice | undefined): string {
  const place = `Node ${process.versions.node}`;
  if (choice === undefined) return `no backend chosen yet on ${place}`;
  const chosen = choice.trials.find((trial) => trial.chosen);
  const passed = choice.trials.filter((trial) => !trial.chosen).map((trial) => trial.reason);
  return [`${chosen?.reason ?? choice.backend} on ${place}`, ...passed].join('; ');
}

/**
 * Makes the chooser. A choice is made once and kept; asking for another backend by name makes a new one.
 * When a failed request had already switched the backend, the one before it is put back.
 */
export function createBackends(options: BackendsOptions = {}): Backends {
  const { importPackage: load = importPackage, environment = (name: string) => process.env[name], recipes = nodeBackends } = options;
  let current: BackendChoice | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const find = (name: string): BackendRecipe => {
    const names = recipes.flatMap((recipe) => [recipe.name, ...recipe.aliases]);
    const found = recipes.find((recipe) => recipe.name === name || recipe.aliases.includes(name));
    if (found === undefined) throw unknownName('backend', name, names);
    return found;
  };
  const choose = async (wanted: string | undefined): Promise<BackendChoice> => {
    const name = wanted ?? (current === undefined ? environment('TRANSFERKIT_BACKEND') : undefined);
    const recipe = name === undefined || name === '' ? undefined : find(name);
    if (current !== undefined && (recipe === undefined || recipe.name === current.backend)) return current;
    try {
      return (current = await (recipe === undefined ? tryInOrder(defaultOrder.map(find), load) : takeOne(recipe, load)));
    } catch (error) {
      if (current !== undefined) await tf.setBackend(current.backend);
      throw error;
    }
  };
  return {
    chooseBackend(wanted) {
      const next = queue.then(() => choose(wanted)); // one at a time: switching backends is global
      queue = next.catch(() => undefined);
      return next;
    },
    describe: () => describeChoice(current),
  };
}

export const backends = createBackends();
