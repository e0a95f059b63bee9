import { beforeAll } from 'vitest';
import { elementwiseCases } from './cases/elementwise.js';
import { prepareBackends, testCases } from './same-in-graph.js';

beforeAll(prepareBackends);

testCases('kernels that work entry by entry', elementwiseCases);
