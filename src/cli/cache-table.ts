import type { CacheListing } from '../cache.js';
import type { JsonObject } from '../common/json.js';
import type { CacheEntry } from '../runtimes/runtime.js';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: `1.4 GiB`. */
export function sizeWords(bytes: number): string {
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** How long ago, for people: `5 min ago`. */
export function ageWords(milliseconds: number): string {
  const steps: readonly (readonly [number, string])[] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ];
  const step = steps.find(([length]) => milliseconds >= length);
  return step === undefined ? 'now' : `${Math.floor(milliseconds / step[0])} ${step[1]} ago`;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The sizes of a photo's recipe or the longest text, in a word or two. */
function recipeWords(recipe: JsonObject): string {
  const { height, width } = (recipe['crop'] ?? recipe['resize'] ?? {}) as JsonObject;
  if (typeof height === 'number' && typeof width === 'number') return `${width}x${height}`;
  return typeof recipe['maxLength'] === 'number' ? `${recipe['maxLength']} tokens` : '';
}

/** What features are of: family, where from, up to which layers, recipe. */
function aboutWords({ about }: CacheEntry): string {
  const revision = text(about['revision']).slice(0, 8);
  const origin = text(about['origin']) + (revision === '' ? '' : ` @ ${revision}`);
  const adapter = about['adapter'] === true ? 'with an adapter' : '';
  const recipe = recipeWords((about['recipe'] ?? {}) as JsonObject);
  return [text(about['family']), origin, text(about['groups']), recipe, adapter].filter((part) => part !== '').join(', ');
}

/** Cuts the middle out of what is too long. */
function fit(words: string, width: number): string {
  if (words.length <= width) return words;
  const tail = Math.floor((width - 3) / 2);
  return `${words.slice(0, width - 3 - tail)}...${words.slice(words.length - tail)}`;
}

/** One entry: a line of figures, and for features a line that says of what. */
function rows(entry: CacheEntry, width: number, now: number): string[] {
  const used = entry.inUse ? 'in use' : ageWords(now - entry.lastUsed);
  const figures = `${sizeWords(entry.bytes).padStart(10)}  ${used.padStart(10)}`;
  const room = width - figures.length - 4;
  if (entry.kind === 'download') return [`  ${fit(entry.name, room).padEnd(room)}  ${figures}`];
  const name = `${entry.name.slice(0, 12)}  ${(entry.records ?? 0).toLocaleString('en-US')} records`;
  return [`  ${fit(name, room).padEnd(room)}  ${figures}`, `    ${fit(aboutWords(entry), width - 4)}`];
}

/** What the cache holds, as text for a terminal. */
export function cacheTable({ path, entries }: CacheListing, columns: number, now = Date.now()): string {
  const width = Math.max(60, Math.min(columns, 100));
  const section = (title: string, kind: CacheEntry['kind']): string[] => {
    const chosen = entries.filter((entry) => entry.kind === kind);
    const total = sizeWords(chosen.reduce((sum, { bytes }) => sum + bytes, 0));
    return ['', `${title}: ${chosen.length}, ${total}`, ...chosen.flatMap((entry) => rows(entry, width, now))];
  };
  return [`Cache in ${path}`, ...section('Features', 'features'), ...section('Downloads', 'download'), ''].join('\n');
}
