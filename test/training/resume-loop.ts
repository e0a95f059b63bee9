/**
 * A training without a network, which starts at once, for tests that kill it often: numbers that each depend on all before, a
 * checkpoint after every step, and a log. Argument and output are those of `resume-program.ts`.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { createRandom } from '../../src/common/random.js';
import { appendFile } from '../../src/runtimes/node/append-file.js';
import { joinPath, listFolder, openFile, sha256 } from '../../src/runtimes/node/files.js';
import { tryLock } from '../../src/runtimes/node/try-lock.js';
import { remove, writeFile } from '../../src/runtimes/node/write-file.js';
import { writeFolder } from '../../src/runtimes/node/write-folder.js';
import type { Runtime } from '../../src/runtimes/runtime.js';
import { openCheckpoints } from '../../src/training/checkpoint/checkpoint.js';
import { checkLogOptions, openLog } from '../../src/training/log.js';
import type { ResumeRequest } from './resume-program.js';

const files = { name: 'node', appendFile, joinPath, listFolder, openFile, sha256, tryLock, remove, writeFile, writeFolder };
const runtime = files as unknown as Runtime;
const request = JSON.parse(process.argv[2]!) as ResumeRequest;
const fingerprint = { program: 'loop', epochs: request.epochs ?? 1 };
const steps = 60;

const checkpoints = await openCheckpoints(request.checkpoint!.directory, runtime);
const saved = await checkpoints.latest(fingerprint);
const { state = 1, sum = 0, logged } = (saved?.json ?? {}) as { state?: number; sum?: number; logged?: number };
const log = await openLog(checkLogOptions(request.log!), runtime, { figures: ['loss'], ...(logged === undefined ? {} : { from: logged }) });
const random = createRandom(0);
random.state = state;
const weights = Float32Array.from(saved?.tensors.get('weights')?.values ?? new Float32Array(2000));
let mean = sum;
writeSync(1, 'plan\n');
for (let step = (saved?.step ?? 0) + 1; step <= steps; step++) {
  for (let index = 0; index < weights.length; index++) weights[index] = weights[index]! * 0.9 + random.next();
  mean = mean * 0.9 + weights[step]! / 3;
  log.write({ type: 'step', phase: 'loop', epoch: 1, step, steps, figures: { loss: mean }, rate: 1, secondsLeft: 0 });
  writeSync(1, 'step\n');
  await log.flush();
  const json = { state: random.state, sum: mean, logged: log.position };
  const tensors = new Map([['weights', { shape: [weights.length], values: weights }]]);
  await checkpoints.write({ fingerprint, step, json, tensors }, { best: step % 7 === 0 });
  writeSync(1, 'checkpoint\n');
}
await log.close();
await checkpoints.close();
writeFileSync(request.result, JSON.stringify({ epochs: [mean], weights: { all: [...weights].join(' ') } }));
