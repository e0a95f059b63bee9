export { createDataset, type DatasetParts } from './create-dataset.js';
export type {
  DataItem,
  Dataset,
  ImageInput,
  LimitedImage,
  OnBadItem,
  PixelData,
  RawInputs,
  SkippedItem,
  Split,
  SplitOptions,
  TensorLike,
  TextInput,
} from './dataset.js';
export { examples, type Example, type ExamplesOptions, type InputExample } from './examples.js';
export { imageFolder, type ImageFolderOptions } from './image-folder.js';
export { table, type NumberTableOptions, type TableOptions } from './table.js';
export type { TableSource } from './read-table-text.js';
