import { test } from 'vitest';
import { testBackbone } from 'transferkit/testing';
import { backbones } from '../../src/backbones/index.js';

for (const { load } of backbones) testBackbone(await load(), { test });
