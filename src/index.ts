/**
 * Transfer learning on TensorFlow.js: real checkpoints, image and text, fine-tuned in Node and in a browser.
 *
 * Five verbs: `loadPretrained`, `freezeBase`, `addHead`, `fineTune`, `evaluate`.
 *
 * @packageDocumentation
 */

// The five verbs
export { loadPretrained, type LoadOptions, type PretrainedId, type PretrainedRequest } from './load-pretrained.js';
export { freezeBase, type FreezeOptions } from './freeze-base.js';
export type { GroupInfo, Unfreeze } from './layers/learning-groups.js';
export { addHead, type AddHeadOptions } from './add-head.js';
export { fineTune, type FineTuned } from './fine-tune.js';
export { evaluate, type EvaluateOptions, type Evaluated } from './evaluate.js';

// For few examples
export { fewShot, type FewShot } from './few-shot.js';
export type { FewShotOptions, FewShotPlan } from './few-shot/few-shot-plan.js';
export { findLearningRate, type FindLearningRateOptions, type LearningRateFinding } from './find-learning-rate.js';
export { crossValidate, type CrossValidateOptions, type CrossValidation, type FoldOptions } from './cross-validate.js';
export type { FoldEvent } from './validation/fold-options.js';
export type { FoldFigures } from './validation/summarize.js';

// For other libraries
export { exportOnnx, toOnnx, type OnnxExport, type OnnxOptions, type OnnxPrecision } from './export-onnx.js';
export { exportTfjs, type TfjsExport } from './export-tfjs.js';

// What they work on
export { loadModel, type LoadModelOptions } from './load-model.js';
export { untrainedBase, type UntrainedOptions } from './untrained-base.js';
export type { Base, Embedding, FreezeState, NormalizationMode, Provenance } from './base.js';
export type { Branches, MetricsRecord, Model, ModelRecord, TrainingRecord } from './model.js';
export type {
  Dataset,
  DataItem,
  ImageInput,
  OnBadItem,
  PixelData,
  RawInputs,
  SkippedItem,
  Split,
  SplitOptions,
  TensorLike,
  TextInput,
} from './data/dataset.js';
export { TransferKitError, type TransferKitErrorCode, type TransferKitErrorOptions } from './errors.js';
export { clearCache, listCache, type CacheCleared, type CacheListing, type CacheOptions, type ClearOptions } from './cache.js';
export { runtime } from '#runtime';
export { version } from './saving/version.js';

// Training
export {
  strategies,
  type FastaiOptions,
  type Stage,
  type StageRates,
  type StageUnfreeze,
  type Strategy,
  type StrategyName,
} from './training/strategy.js';
export type { Augmentation, EarlyStopping, FeatureCacheOptions, FineTuneOptions } from './training/options.js';
export type { OptimizerName, OptimizerRecipe } from './training/optimizer-recipe.js';
export type { ScheduleRecipe } from './training/schedule.js';
export type { PhasePlan, PhaseRates, TrainingPlan } from './training/plan.js';
export type { EpochRecord, TrainingHistory } from './training/history.js';
export type { ProgressEvent } from './training/progress.js';
export { TrainingControl, type ControlState } from './training/control.js';
export type { StepEvent, TrainingEvent, TrainingRun } from './training/events.js';
export type { CheckpointOptions, CheckpointSettings } from './training/checkpoint/checkpoint-options.js';
export type { LogOptions, LogSettings } from './training/log.js';

// Adapters
export { lora, type LoraOptions } from './adapters/lora.js';
export { createAdapter } from './adapters/create-adapter.js';
export { loadAdapter } from './load-adapter.js';
export type { AdaptedLayer, Adapter, AdapterWeight } from './adapters/adapter.js';
export type { AdapterRecipe, AdapterTargets } from './adapters/recipe.js';

// Augmentation
export { imageAugmentation, type ImageAugmentationOptions, type ImageAugmentationPreset } from './inputs/augment/image-augmentation.js';
export { textAugmentation, type TextAugmentationOptions } from './inputs/augment/text-augmentation.js';
export { previewAugmentation, type PhotoPreview, type PreviewOptions, type TextPreview } from './preview-augmentation.js';
export type { ImageAugmentation, InputAugmentation, MixAugmentation, TextAugmentation } from './inputs/augment/recipe.js';

// Heads and reports
export { classification, type ClassificationOptions, type ClassPrediction } from './heads/classification.js';
export type { ClassificationReport } from './evaluation/classification-report.js';
export { correlation, type CorrelationMetrics } from './evaluation/correlation.js';
export type { Report } from './evaluation/report.js';

// Plug-ins
export {
  defineBackbone,
  type AnyBackbone,
  type AttachContext,
  type AttachedFiles,
  type BackboneDefinition,
  type BackboneFeatures,
  type BuiltBackbone,
  type FeatureName,
  type LayerGroup,
} from './backbones/backbone.js';
export {
  defineSource,
  type Checkpoint,
  type DownloadProgress,
  type FileLimits,
  type Source,
  type SourceContext,
} from './sources/source.js';
export {
  defineHead,
  type AnyHead,
  type FeatureShape,
  type Head,
  type HeadBuildContext,
  type HeadDefinition,
  type LossOptions,
  type Outcome,
  type ReportOptions,
} from './heads/head.js';
export type {
  EncodedArray,
  EncodedInput,
  InputProcessor,
  InputRecipe,
  Modality,
  ProcessorContext,
  ProcessorFactory,
} from './inputs/input.js';
export type { EngineName, EngineOptions } from './engines/choose-engine.js';
export type {
  BackendChoice,
  BackendTrial,
  CacheEntry,
  CacheFolder,
  DownloadRequest,
  FolderEntry,
  ImageLimits,
  KeyedRecord,
  Missing,
  OnnxRuntimeRequest,
  ProgressDisplay,
  Records,
  RecordsRequest,
  RgbImage,
  Runtime,
} from './runtimes/runtime.js';
export type { ImageCrop, ImageRecipe, ImageResize } from './inputs/image.js';
export type { TextArray, TextRecipe } from './inputs/text.js';
export type { AxisLayout } from './weights/layouts.js';
export type { ByteFile } from './weights/byte-file.js';
export type { StoredType, TensorInfo, TensorValue } from './weights/tensor-value.js';
export type { WeightRow, WeightTable } from './weights/fill-model.js';
export type { JsonObject, JsonValue } from './common/json.js';
