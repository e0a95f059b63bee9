/** What makes ONNX files, in one module: few programs need it, so it is loaded when they do. */
export { checkExportTarget } from './check-export-target.js';
export { exportSubject } from './export-subject.js';
export { checkPrecision, onnxFile } from './onnx-export.js';
export { notesOf, onnxFolder } from './onnx-folder.js';
