import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { TransferKitError } from 'transferkit';
import { expectFailure, expectNoLeaks } from 'transferkit/testing';

const golden = (path: string): string => fileURLToPath(new URL(`../golden/${path}`, import.meta.url));

/** Tiny published checkpoints, as the Hub lays them out. */
export const published = {
  image: golden('mobilenet-v2/huggingface/checkpoint'),
  text: golden('bert/huggingface/checkpoint'),
  static: golden('static-embedding/model2vec/checkpoint'),
  tfjs: golden('keras-graph/keras3-sequential/checkpoint'),
  graph: golden('onnx-graph/vision-transformer/checkpoint'),
} as const;

/** Encoded photos. */
export const photo = (name: string): string => golden(`inputs/${name}`);

let folders: string[] = [];

afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders = [];
});

/** An empty folder that is gone after the test. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-bad-input-'));
  folders.push(folder);
  return folder;
}

/** Writes files below a new folder, and gives its path. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = emptyFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** A copy of a checkpoint that a test may spoil. */
export function copyOf(checkpoint: string): string {
  const folder = emptyFolder();
  cpSync(checkpoint, folder, { recursive: true });
  return folder;
}

/** Changes a JSON file of a folder. */
export function editJson(folder: string, name: string, edit: (json: any) => void): void {
  const path = join(folder, name);
  const json = JSON.parse(readFileSync(path, 'utf8'));
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

/** Bytes of a safetensors file with a header and zeros behind it. */
export function safetensors(header: string | object, dataBytes: number, announced?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(announced ?? text.length), true);
  file.set(text, 8);
  return file;
}

/** The header of a safetensors file, and the bytes behind it. */
export function takeApart(path: string): { header: Record<string, any>; data: Uint8Array } {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  return { header: JSON.parse(bytes.subarray(8, 8 + length).toString('utf8')), data: bytes.subarray(8 + length) };
}

/** A folder of photos: class folders with copies of one photo, and further files. */
export function photoFolder(counts: Readonly<Record<string, number>>, more: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const bytes = [readFileSync(photo('rgb.png')), readFileSync(photo('grey.png'))];
  const files = Object.entries(counts).flatMap(([label, count], index) =>
    Array.from({ length: count }, (_, number) => [`${label}/${number}.png`, bytes[index % 2]!] as const),
  );
  return folderOf({ ...Object.fromEntries(files), ...more });
}

/**
 * Work that must fail: with this code and these pieces in its message, in words that a person can use, and with nothing left
 * behind. With the environment variable PRINT_MESSAGES the message is appended to the file it names.
 */
export async function fails(title: string, work: () => unknown, code: string, ...pieces: readonly string[]): Promise<TransferKitError> {
  const error = await expectNoLeaks(() => expectFailure(work, code, ...pieces));
  if (/\bundefined\b|\bNaN\b|\[object |\bnull of\b/.test(error.message)) throw new Error(`not for people: ${error.message}`);
  const file = process.env['PRINT_MESSAGES'];
  if (file !== undefined) appendFileSync(file, `--- ${title}\n${error.message}\n\n`);
  return error;
}
