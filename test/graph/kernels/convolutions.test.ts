import { beforeAll } from 'vitest';
import { convolutionCases, picturesCases } from './cases/convolutions.js';
import { prepareBackends, testCases } from './same-in-graph.js';

beforeAll(prepareBackends);

testCases('convolutions and normalisation', convolutionCases);
testCases('pooling and resizing', picturesCases);
