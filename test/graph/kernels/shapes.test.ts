import { beforeAll } from 'vitest';
import { shapeCases } from './cases/shapes.js';
import { prepareBackends, testCases } from './same-in-graph.js';

beforeAll(prepareBackends);

testCases('kernels that rearrange', shapeCases);
