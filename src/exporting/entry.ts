import type * as tf from '@tensorflow/tfjs-core';
import type { Modality } from '../inputs/input.js';
import type { ExportSubject } from './export-subject.js';
import { imageEntry } from './image-entry.js';
import { textEntry } from './text-entry.js';

/** An input of an exported file. */
export interface EntryInput {
  /** As the libraries of Hugging Face call it: `pixel_values`, `input_ids`. */
  readonly name: string;
  readonly type: 'float32' | 'int64';
  readonly shape: readonly (number | string)[];
}

/** How inputs get into an exported network, and what other libraries need to make them. */
export interface ExportEntry {
  /** One for each input of the network. */
  readonly inputs: readonly EntryInput[];
  /**
   * From the file's inputs to the network's own, in tfjs operations.
   * @param tensors float32, or int32 where the file has int64
   */
  enter(tensors: readonly tf.Tensor[]): tf.Tensor[];
  /** Files that describe the preparation, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The preparation in words, for people. */
  readonly preparation: string;
  /** Where other libraries prepare inputs otherwise than TransferKit, one sentence each. */
  readonly notes: readonly string[];
}

const entries: Readonly<Record<Modality, (subject: ExportSubject) => ExportEntry | Promise<ExportEntry>>> = {
  image: imageEntry,
  text: textEntry,
};

/** @throws TransferKitError `unsupported` for inputs that other libraries cannot prepare */
export const entryOf = async (subject: ExportSubject): Promise<ExportEntry> => entries[subject.base.modality](subject);
