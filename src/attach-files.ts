import type { AnyBackbone, AttachContext, AttachedFiles, BuiltBackbone } from './backbones/backbone.js';
import type { JsonObject } from './common/json.js';
import { disposeModel } from './layers/dispose-model.js';

/** The parts of a base that a family's own files decide. */
export interface Attachment {
  /** The family's settings, as they are of the files. */
  readonly config: JsonObject;
  /** Absent where the family's networks are tensors alone. */
  readonly attached?: AttachedFiles;
}

/**
 * Reads what a network of the family consists of beside its tensors. When that fails, the network is freed.
 * @throws TransferKitError what the family's `attach` throws
 */
export async function attachFiles(
  family: AnyBackbone,
  built: BuiltBackbone,
  config: JsonObject,
  context: AttachContext,
): Promise<Attachment> {
  if (family.attach === undefined) return { config };
  try {
    const attached = (await family.attach(built, config, context)) as AttachedFiles;
    return { config: attached.config, attached };
  } catch (error) {
    disposeModel(built.model);
    throw error;
  }
}
