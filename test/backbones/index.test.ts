import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { backbones, findBackbone, matchBackbone } from '../../src/backbones/index.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { checkpointOf } from './checkpoint-of.js';

describe('the list of backbones', () => {
  test('equals the folder', async () => {
    const files = readdirSync(fileURLToPath(new URL('../../src/backbones', import.meta.url))).filter((name) => name.endsWith('.ts'));
    const families = files.map((name) => name.replace(/\.ts$/, '')).filter((name) => name !== 'index' && name !== 'backbone');
    expect(backbones.map(({ name }) => name).sort()).toEqual(families.sort());
    for (const { name, load } of backbones) expect((await load()).name).toBe(name);
  });

  test('finds a family by name and gives a definition back', async () => {
    expect(await findBackbone('mobilenet-v2')).toBe(mobilenetV2);
    expect(await findBackbone(mobilenetV2)).toBe(mobilenetV2);
  });

  test('an unknown name lists the known ones and the nearest', async () => {
    await expect(findBackbone('mobilenetv2')).rejects.toMatchObject({
      code: 'unknown-name',
      message: expect.stringContaining('Did you mean "mobilenet-v2"'),
    });
  });

  test('the special family gets a checkpoint before the general one', async () => {
    const names = ['bn_Conv1/gamma', 'expanded_conv_project/kernel', 'Conv_1/kernel'];
    expect((await matchBackbone(checkpointOf({ modelTopology: {} }, Object.fromEntries(names.map((name) => [name, [1]]))))).name).toBe(
      'mobilenet-v2',
    );
    expect((await matchBackbone(checkpointOf({ modelTopology: {} }, { 'conv1/kernel': [1] }))).name).toBe('keras-graph');
  });

  test('a checkpoint that no family recognises says what its configuration says', async () => {
    const matching = matchBackbone(checkpointOf({ model_type: 'gpt2' }, { 'wte.weight': [2, 2] }));
    await expect(matching).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(/model_type "gpt2".*"wte.weight"/s),
    });
    await expect(matchBackbone(checkpointOf({}, {}))).rejects.toThrow('no configuration; 0 tensors');
    await expect(matchBackbone(checkpointOf({ some: 1, thing: 2 }, {}))).rejects.toThrow('a configuration with some, thing');
  });
});
