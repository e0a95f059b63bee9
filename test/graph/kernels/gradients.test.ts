import { beforeAll } from 'vitest';
import { gradientCases } from './cases/gradients.js';
import { prepareBackends, testCases } from './same-in-graph.js';

beforeAll(prepareBackends);

testCases('gradients', gradientCases);
