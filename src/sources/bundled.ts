import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { ByteFile } from '../weights/byte-file.js';
import { networks } from './bundled/networks.js';
import { openPacked } from './bundled/open-packed.js';
import { defineSource, type Checkpoint, type Source, type SourceContext } from './source.js';

/** A network that ships with the package. */
export type BundledName = keyof typeof networks;

/** Options of {@link bundled}. */
export interface BundledOptions {
  /** Where a copy of the file is served; it is checked as the package's own is. Default: the package's folder `assets`. */
  readonly url?: string | URL;
}

/**
 * Where the files lie, beside this module's folder. Each address is written out, for that is how bundlers know that a file belongs
 * to the program; so this module must stay in a file of its own at this depth when the package is built.
 */
const addresses: Readonly<Record<BundledName, () => URL>> = {
  'image-small': () => new URL('../../assets/image-small.safetensors', import.meta.url),
  'text-small': () => new URL('../../assets/text-small.safetensors', import.meta.url),
  'text-transformer': () => new URL('../../assets/text-transformer.safetensors', import.meta.url),
};

/**
 * A network that this project trained and that ships with the package, so that neither a network connection nor an account is needed:
 * `image-small` for photos, `text-small` and `text-transformer` for English texts. The file is read when the source is opened and
 * compared with the size and the SHA-256 that this version of the package was published with.
 *
 * In a browser it is fetched from where the bundler put it. On a page that is not secure (plain http) browsers compute no SHA-256;
 * there the size and the file's structure are checked.
 *
 * @param name `image-small`, `text-small` or `text-transformer`
 * @throws TransferKitError on opening: `unknown-name`, `not-found`, `corrupt-file`, in a browser also `network`.
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { bundled } from 'transferkit/sources/bundled';
 *
 * const base = await loadPretrained(bundled('text-small')); // or 'text-small', or 'bundled://text-small'
 * ```
 */
export const bundled = (name: BundledName, options: BundledOptions = {}): Source =>
  defineSource({ apiVersion: 1, name: 'bundled', open: (context) => openBundled(name, options, context) });

/** The source of an address `bundled://name`. */
export const bundledUri = (uri: string): Source => bundled(uri.replace(/^bundled:\/\//i, '') as BundledName);

async function openBundled(name: BundledName, { url }: BundledOptions, { runtime }: SourceContext): Promise<Checkpoint> {
  if (!Object.hasOwn(addresses, name)) throw unknownName('network in the package called', name, Object.keys(addresses));
  const address = String(url ?? addresses[name]());
  const file = await runtime.openFile(address);
  if (file === undefined) throw absent(name, address);
  return openPacked(await readChecked(name, file, runtime), { origin: `bundled://${name}`, revision: `sha256:${networks[name].sha256}` });
}

/** The whole file, once it is known to be the one that was published. */
async function readChecked(name: BundledName, file: ByteFile, runtime: Runtime): Promise<Uint8Array> {
  const expected = networks[name];
  if (file.size !== expected.bytes) throw changed(name, file.origin, `${expected.bytes} bytes`, `${file.size} bytes`);
  const bytes = await file.read(0, file.size);
  const sha256 = await hashOf(bytes, runtime);
  if (sha256 === undefined || sha256 === expected.sha256) return bytes;
  throw changed(name, file.origin, `SHA-256 ${expected.sha256}`, `SHA-256 ${sha256}`);
}

/** Undefined where none can be computed: on a page over plain http, which anyone on the way could have changed just as well. */
async function hashOf(bytes: Uint8Array, runtime: Runtime): Promise<string | undefined> {
  try {
    return await runtime.sha256(bytes);
  } catch (error) {
    if (TransferKitError.isInstance(error) && error.code === 'unsupported') return undefined;
    throw error;
  }
}

const absent = (name: string, address: string): TransferKitError =>
  new TransferKitError(
    'not-found',
    `the file of bundled://${name} is not where the package has it.\n  Expected: a file at "${address}"\n` +
      `  Fix: install the package again. If a bundler left it out, serve node_modules/transferkit/assets/${name}.safetensors and load ` +
      `bundled('${name}', { url }) of transferkit/sources/bundled.`,
    { details: { name, address } },
  );

const changed = (name: string, address: string, expected: string, received: string): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `the file of bundled://${name} is not the one that this version of the package was published with.\n  Where: "${address}"\n` +
      `  Expected: ${expected}\n  Received: ${received}\n  Fix: install the package again, or copy the file of the installed version again to where it is served.`,
    { details: { name, address, expected, received } },
  );
