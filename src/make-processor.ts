import type { AnyBackbone } from './backbones/backbone.js';
import { TransferKitError } from './errors.js';
import type { InputProcessor, InputRecipe } from './inputs/input.js';
import type { Runtime } from './runtimes/runtime.js';
import type { Checkpoint } from './sources/source.js';

/** A family's processor from a recipe and the companion files of a checkpoint; what goes wrong also says in which checkpoint. */
export async function makeProcessor(
  family: AnyBackbone,
  recipe: InputRecipe,
  checkpoint: Checkpoint,
  runtime: Runtime,
): Promise<InputProcessor> {
  try {
    return await family.processor(recipe, { runtime, file: (path) => checkpoint.file(path) });
  } catch (error) {
    if (!TransferKitError.isInstance(error) || error.message.includes(checkpoint.origin)) throw error;
    const { code, message, details, retryable } = error;
    const where = `${message.slice(code.length + 2)}\n  Where: ${checkpoint.origin}`;
    throw new TransferKitError(code, where, { details: { ...details, origin: checkpoint.origin }, retryable, cause: error });
  }
}
