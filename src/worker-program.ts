/** Not written into the call below: a bundler would take it for a file to be copied, and leave the modules it imports behind. */
const program = './worker.js';

/**
 * The address of the program that workers run: `worker.ts` beside this file. This module must stay at this depth when the package
 * is built, so that the address holds from the sources and from the package.
 */
export const workerProgram = (): URL => new URL(program, import.meta.url);
