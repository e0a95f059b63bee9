import '@tensorflow/tfjs-layers';
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { defineHead } from '../../src/heads/head.js';
import { findHead, heads } from '../../src/heads/index.js';

// A folder beside a member holds its parts.
const contractFiles = ['head.ts', 'index.ts'];

describe('the list of heads', () => {
  it('equals the folder', async () => {
    const files = await readdir(new URL('../../src/heads/', import.meta.url));
    const members = files.filter((file) => file.endsWith('.ts') && !contractFiles.includes(file)).map((file) => file.replace(/\.ts$/, ''));
    expect(Object.keys(heads).sort()).toEqual(members.sort());
  });

  it('loads definitions of the same name', async () => {
    for (const name of Object.keys(heads)) {
      const definition = await findHead(name);
      expect(definition.name).toBe(name);
      expect(definition.apiVersion).toBe(1);
    }
  });

  it('prefers what the caller gives', async () => {
    const own = defineHead({ apiVersion: 1, name: 'similarity', restore: () => ({}) as never });
    expect(await findHead('similarity', [own])).toBe(own);
  });

  it('names the nearest for a name that does not exist', async () => {
    await expect(findHead('clasification')).rejects.toThrow(
      /unknown-name: there is no head "clasification"\. Did you mean "classification"\?/,
    );
    await expect(findHead('toString')).rejects.toMatchObject({ code: 'unknown-name' });
  });
});
