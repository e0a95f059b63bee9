import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { untrainedBase, type AnyBackbone, type Base, type InputRecipe, type JsonObject, type Modality } from 'transferkit';

/** What `config.json` of a saved model says of its base. */
interface SavedBase {
  readonly transferkit: { readonly backbone: { readonly config: JsonObject }; readonly input: InputRecipe };
}

/**
 * The network of a saved model once more, with random weights: same layers, same preparation of inputs, nothing learnt. It shows
 * what the pretrained weights are worth.
 *
 * @param family the family of the saved network
 * @param folder where `model.save` wrote it
 */
export function untrainedTwin<M extends Modality>(family: AnyBackbone<M>, folder: string): Promise<Base<M>> {
  const texts = readdirSync(folder).filter((name) => !name.endsWith('.safetensors'));
  const files = Object.fromEntries(texts.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const { backbone, input } = (JSON.parse(files['config.json']!) as SavedBase).transferkit;
  return untrainedBase(family, { config: backbone.config, input, files });
}
