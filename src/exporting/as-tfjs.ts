/** What makes folders for plain tfjs, in one module: few programs need it, so it is loaded when they do. */
export { checkExportTarget } from './check-export-target.js';
export { exportSubject } from './export-subject.js';
export { plainModel } from './plain-model.js';
export { tfjsFolder } from './tfjs-folder.js';
