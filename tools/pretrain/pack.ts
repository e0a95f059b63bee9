/**
 * Packs a trained network into the package: `npx tsx tools/pretrain/pack.ts <name> <folder>` writes `assets/<name>.safetensors` and
 * the size and hash that the package checks it by. The folder is what a training program of this folder wrote.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { networks } from '../../src/sources/bundled/networks.js';
import { networkTable } from './network-table.js';
import { packNetwork } from './pack-network.js';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

async function pack(name: string, folder: string): Promise<void> {
  const { bytes, sha256, worst } = await packNetwork(name, folder);
  await mkdir(at('assets'), { recursive: true });
  await writeFile(at(`assets/${name}.safetensors`), bytes);
  await writeFile(at('src/sources/bundled/networks.ts'), networkTable({ ...networks, [name]: { bytes: bytes.length, sha256 } }));
  const card = join(folder, 'README.md');
  if (existsSync(card)) await copyFile(card, at(`assets/${name}.md`));
  console.log(`assets/${name}.safetensors: ${(bytes.length / 1e6).toFixed(2)} MB, sha256 ${sha256}`);
  console.log(`largest rounding error: ${(worst.error * 100).toFixed(2)} % of ${worst.tensor}`);
}

const [name, folder] = process.argv.slice(2);
if (name === undefined || folder === undefined || !/^[a-z][a-z0-9-]*$/.test(name)) {
  console.error('Usage: npx tsx tools/pretrain/pack.ts <name> <folder>, as in: pack.ts text-small out/text-small');
  process.exitCode = 1;
} else {
  await pack(name, folder);
}
