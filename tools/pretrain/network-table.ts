/** Size and hash of a file of `assets/`. */
interface NetworkFile {
  readonly bytes: number;
  readonly sha256: string;
}

const entry = ([name, { bytes, sha256 }]: readonly [string, NetworkFile]): string =>
  `  '${name}': { bytes: ${bytes}, sha256: '${sha256}' },\n`;

/** The source text of `src/sources/bundled/networks.ts`, sorted by name. */
export const networkTable = (networks: Readonly<Record<string, NetworkFile>>): string =>
  `// Written by tools/pretrain/pack.ts.

/** Size and SHA-256 of the file of each network that ships with the package. */
export const networks = {
${Object.entries(networks)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(entry)
  .join('')}} as const;
`;
