/**
 * Conformance kits: the same suites that TransferKit runs over its own plug-ins, for yours. They work with any test runner.
 *
 * @packageDocumentation
 */
export { testBackbone, backboneCases, type TestBackboneOptions } from './testing/test-backbone.js';
export { testSource, sourceCases, type TestSourceOptions } from './testing/test-source.js';
export { testHead, headCases, type HeadSamples, type TestHeadOptions } from './testing/test-head.js';
export { testRuntime, runtimeCases, type TestRuntimeOptions } from './testing/test-runtime.js';
export { expectFailure, expectNoLeaks } from './testing/expect-no-leaks.js';
export { tinyCheckpoint } from './testing/tiny-checkpoint.js';
export { tinyBase, tinyModel, tinySamples } from './testing/tiny-model.js';
export type { ConformanceCase, ConformanceOptions, RegisterTest, Skip } from './testing/conformance.js';
