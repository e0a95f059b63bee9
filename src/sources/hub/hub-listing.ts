import * as v from 'valibot';
import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';
import { isInnerPath } from '../../weights/checkpoint-files.js';
import { readJsonObject } from '../../weights/read-json.js';

/** What the Hub says of a file before it is fetched. */
export interface HubFile {
  readonly size?: number | undefined;
  /** Known for large files only. */
  readonly sha256?: string | undefined;
}

/** A repository at one commit. */
export interface HubListing {
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
  readonly license?: string | undefined;
}

const size = v.pipe(v.number(), v.integer(), v.minValue(0));
const siblingSchema = v.object({
  rfilename: v.string(),
  size: v.nullish(size),
  lfs: v.nullish(v.object({ sha256: v.nullish(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))), size: v.nullish(size) })),
});
const listingSchema = v.object({
  sha: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/, 'sha should be a commit of 40 hexadecimal digits')),
  siblings: v.array(siblingSchema),
  tags: v.nullish(v.array(v.string())),
});

/**
 * The answer of `/api/models/{repo}/revision/{revision}?blobs=true`. A mirror that ignores `blobs` gives names without sizes.
 * @throws TransferKitError `corrupt-file`
 */
export async function readHubListing(file: ByteFile): Promise<HubListing> {
  const parsed = v.safeParse(listingSchema, await readJsonObject(file));
  if (!parsed.success) throw badListing(file, parsed.issues[0]);
  const { sha, siblings, tags } = parsed.output;
  const files = new Map<string, HubFile>();
  for (const { rfilename, size, lfs } of siblings) {
    if (isInnerPath(rfilename)) files.set(rfilename, { size: lfs?.size ?? size ?? undefined, sha256: lfs?.sha256 ?? undefined });
  }
  const license = tags?.find((tag) => tag.startsWith('license:'))?.slice('license:'.length);
  return { commit: sha, files, license };
}

const badListing = (file: ByteFile, issue: v.BaseIssue<unknown>): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `"${file.origin}" is not the Hub's description of a repository.\n  expected: { sha, siblings: [{ rfilename }] }\n` +
      `  received: ${v.getDotPath(issue) ?? 'it'}: ${issue.message.slice(0, 200)}\n  Fix: check that the endpoint is the address of a Hub or of a mirror with its routes.`,
    { details: { file: file.origin } },
  );
