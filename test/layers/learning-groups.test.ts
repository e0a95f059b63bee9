import { expect, test } from 'vitest';
import { expectFailure } from 'transferkit/testing';
import { learningGroups, type Unfreeze } from '../../src/layers/learning-groups.js';

const open = ['stem', 'block', 'top'].map((name) => ({ name }));
const mixed = [{ name: 'graph', fixed: { parameters: 5 } }, { name: 'block' }, { name: 'top' }];
const shut = [{ name: 'graph', fixed: { parameters: 5 } }];

test.each<[string, Unfreeze, readonly boolean[]]>([
  ['none', 'none', [false, false, false]],
  ['all', 'all', [true, true, true]],
  ['last', { last: 2 }, [false, true, true]],
  ['more than there are', { last: 9 }, [true, true, true]],
  ['from', { from: 'block' }, [false, true, true]],
  ['a predicate', ({ index, count }) => index === count - 2, [false, true, false]],
])('%s, where all can learn', (_name, unfreeze, learns) => {
  expect(learningGroups(unfreeze, open)).toEqual(learns);
});

test.each<[string, Unfreeze, readonly boolean[]]>([
  ['all', 'all', [false, true, true]],
  ['last', { last: 1 }, [false, false, true]],
  ['more than there are', { last: 3 }, [false, true, true]],
  ['from', { from: 'block' }, [false, true, true]],
  ['none', 'none', [false, false, false]],
  ['no last one', { last: 0 }, [false, false, false]],
])('%s counts those that can be trained', (_name, unfreeze, learns) => {
  expect(learningGroups(unfreeze, mixed)).toEqual(learns);
});

test.each<[string, Unfreeze]>([
  ['by name', { from: 'graph' }],
  ['by a predicate', () => true],
])('what can only be run is refused %s', async (_name, unfreeze) => {
  await expectFailure(async () => learningGroups(unfreeze, mixed), 'unsupported', '"graph" cannot be unfrozen');
});

test('so is all and last where nothing can be trained; none is not', async () => {
  for (const unfreeze of ['all', { last: 1 }] as const)
    await expectFailure(async () => learningGroups(unfreeze, shut), 'unsupported', "with unfreeze: 'none'");
  expect(learningGroups('none', shut)).toEqual([false]);
  expect(learningGroups({ last: 0 }, shut)).toEqual([false]);
});

test('what makes no sense is refused as ever', async () => {
  for (const unfreeze of [{ last: -1 }, { last: 0.5 }, 'some', null, {}])
    await expectFailure(async () => learningGroups(unfreeze as never, mixed), 'bad-option', 'unfreeze must be');
  await expectFailure(async () => learningGroups({ from: 'tops' }, mixed), 'unknown-name', 'Did you mean "top"?');
});
