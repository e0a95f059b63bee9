import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients; core alone has none
import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import { probeBackend } from './probe-backend.js';
import type { BackendChoice, BackendMemory, BackendTrial } from './runtime.js';
import { withoutWarnings } from './without-warnings.js';

/** How one backend is made ready to be activated. */
export interface BackendRecipe {
  /** The name that tfjs knows it by. */
  readonly name: string;
  /** Other names that a person may type. */
  readonly aliases: readonly string[];
  /** What it computes on. */
  readonly hardware: BackendChoice['hardware'];
  /**
   * Imports and registers what it needs. Gives words about it: `wasm (SIMD)`.
   * @throws TransferKitError `missing-package`; Error in plain words when it is there and cannot be used.
   */
  readonly prepare: () => Promise<string>;
  /** Its memory, where that is limited; asked for as soon as it has started. */
  readonly memory?: () => BackendMemory | undefined;
}

/** What the choice of a backend has to know of the place. */
export interface BackendPlace {
  /** Every backend that can be had here. */
  readonly recipes: readonly BackendRecipe[];
  /** Names in the order in which they are tried when none is asked for. */
  readonly order: readonly string[];
  /** In words: `Node 20.20.2`. */
  readonly place: string;
  /** What to do where nothing works, as a sentence. */
  readonly fix: string;
  /** A name that was asked for outside the program. */
  readonly wanted?: () => string | undefined;
  /** Runs around the start of a backend. */
  readonly aroundStart?: (start: () => Promise<boolean>) => Promise<boolean>;
}

/** Chooses the tfjs backend of this process or page. */
export interface Backends {
  /** @throws TransferKitError `unknown-name`, `missing-package`, `unsupported` when the backend that was asked for cannot be had. */
  chooseBackend(wanted?: string): Promise<BackendChoice>;
  describe(): string;
  /** The memory of the chosen backend, where that is limited. */
  memory(): BackendMemory | undefined;
}

/** Prepares a backend, makes it the active one and lets it prove itself; gives words about it. */
async function activate(recipe: BackendRecipe, { aroundStart = (start) => start() }: BackendPlace): Promise<string> {
  const { value: words, warnings } = await withoutWarnings(async () => {
    const prepared = await recipe.prepare();
    return (await aroundStart(() => tf.setBackend(recipe.name))) ? prepared : undefined;
  });
  if (words === undefined) throw new Error(`tfjs could not start it: ${warnings.join(' ') || 'no reason given'}`);
  await tf.ready();
  await probeBackend();
  recipe.memory?.();
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
    { details: { backend: name }, cause: error },
  );
}

/** Tries backends in order; the first that works is chosen. */
async function tryInOrder(recipes: readonly BackendRecipe[], place: BackendPlace): Promise<BackendChoice> {
  const trials: BackendTrial[] = [];
  for (const recipe of recipes) {
    try {
      const reason = await activate(recipe, place);
      return { backend: recipe.name, hardware: recipe.hardware, trials: [...trials, { name: recipe.name, chosen: true, reason }] };
    } catch (error) {
      trials.push({ name: recipe.name, chosen: false, reason: shortReason(error) });
    }
  }
  const list = trials.map(({ name, reason }) => `  ${name}: ${reason}`).join('\n');
  throw new TransferKitError('unsupported', `no backend works on ${place.place}.\n${list}\n  Fix: ${place.fix}`, { details: { trials } });
}

async function takeOne(recipe: BackendRecipe, place: BackendPlace): Promise<BackendChoice> {
  try {
    const reason = await activate(recipe, place);
    return { backend: recipe.name, hardware: recipe.hardware, trials: [{ name: recipe.name, chosen: true, reason }] };
  } catch (error) {
    throw cannotHave(recipe.name, error);
  }
}

function describeChoice(choice: BackendChoice | undefined, place: string): string {
  if (choice === undefined) return `no backend chosen yet on ${place}`;
  const chosen = choice.trials.find((trial) => trial.chosen);
  const passed = choice.trials.filter((trial) => !trial.chosen).map((trial) => trial.reason);
  return [`${chosen?.reason ?? choice.backend} on ${place}`, ...passed].join('; ');
}

function findRecipe(name: string, recipes: readonly BackendRecipe[]): BackendRecipe {
  const found = recipes.find((recipe) => recipe.name === name || recipe.aliases.includes(name));
  if (found !== undefined) return found;
  const names = recipes.flatMap((recipe) => [recipe.name, ...recipe.aliases]);
  throw unknownName('backend', name, names);
}

/**
 * Makes the chooser. A choice is made once and kept; asking for another backend by name makes a new one.
 * When a failed request had already switched the backend, the one before it is put back.
 */
export function createBackends(place: BackendPlace): Backends {
  let current: BackendChoice | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const choose = async (wanted: string | undefined): Promise<BackendChoice> => {
    const name = wanted ?? (current === undefined ? place.wanted?.() : undefined);
    const recipe = name === undefined || name === '' ? undefined : findRecipe(name, place.recipes);
    if (current !== undefined && (recipe === undefined || recipe.name === current.backend)) return current;
    const inOrder = () => place.order.map((each) => findRecipe(each, place.recipes));
    try {
      return (current = await (recipe === undefined ? tryInOrder(inOrder(), place) : takeOne(recipe, place)));
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
    describe: () => describeChoice(current, place.place),
    memory: () => (current === undefined ? undefined : findRecipe(current.backend, place.recipes).memory?.()),
  };
}
