import { beforeAll } from 'vitest';
import { reductionCases } from './cases/reductions.js';
import { prepareBackends, testCases } from './same-in-graph.js';

beforeAll(prepareBackends);

testCases('kernels that reduce', reductionCases);
