import { open } from 'node:fs/promises';

/**
 * Writes a new file and waits until the disk has it. Only then may a rename make it visible: so a power cut leaves the old content
 * or the new one.
 */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
