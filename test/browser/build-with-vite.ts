import { join } from 'node:path';
import { build, type Rolldown } from 'vite';

/** The files of a page by name, as Vite builds it with no settings of its own: the program, its chunks, and the assets they point at. */
export async function buildWithVite(program: string, folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const input = join(folder, program);
  const options = { write: false, rolldownOptions: { input, output: { entryFileNames: 'page.js' } } };
  const built = await build({ root: folder, configFile: false, base: './', logLevel: 'error', build: options });
  const { output } = built as Rolldown.RolldownOutput;
  return new Map(output.map((file) => [file.fileName, bytesOf(file.type === 'chunk' ? file.code : file.source)]));
}

const bytesOf = (content: string | Uint8Array): Uint8Array => (typeof content === 'string' ? new TextEncoder().encode(content) : content);
