import { availableParallelism } from 'node:os';
import { createOnnxLoader, type OnnxLoader } from '../onnx-loader.js';
import { importPackage, type PackageImporter } from './backend-recipes.js';

/** Makes what finds ONNX Runtime in Node; tests pass what imports packages. */
export const createNodeOnnxLoader = (load: PackageImporter = importPackage): OnnxLoader =>
  createOnnxLoader({
    package: 'onnxruntime-node',
    gain: 'networks then run several times as fast',
    load: () => load('onnxruntime-node'),
    prepare: (_, { threads = availableParallelism() }) => ({ session: { intraOpNumThreads: threads } }),
  });

export const onnxLoader = createNodeOnnxLoader();
