import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { table } from '../../src/data/table.js';
import { expectError } from './expect-error.js';

let folder = '';
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'table-'))));
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

const rows = (data: { readonly items: readonly { readonly id: string; readonly input: unknown; readonly target: unknown }[] }) =>
  data.items.map(({ id, input, target }) => [id, input, target]);

describe('formats', () => {
  it('reads RFC 4180: quoted delimiters, quotes and line breaks, a byte order mark, CRLF', async () => {
    const path = await file('a.csv', '\ufefftext,label\r\n"one, two",a\r\n"she said ""hi""\r\nand left",b\r\n');
    expect(rows(await table(path))).toEqual([['row 2', 'one, two', 'a'], ['row 3', 'she said "hi"\r\nand left', 'b']]); // prettier-ignore
  });

  it('tells tabs, semicolons and bars by the header', async () => {
    for (const mark of ['\t', ';', '|']) {
      const data = await table(`text${mark}label\nyes, it is${mark}a\n`);
      expect(rows(data)).toEqual([['row 2', 'yes, it is', 'a']]);
    }
    expect(rows(await table('text:label\nx:a\n', { delimiter: ':' }))).toEqual([['row 2', 'x', 'a']]);
  });

  it('reads JSON Lines and a JSON array', async () => {
    const lines = await file('a.jsonl', '{"text":"x","label":"a"}\n\n{"text":"y","label":2}\n');
    expect(rows(await table(lines))).toEqual([['row 1', 'x', 'a'], ['row 3', 'y', '2']]); // prettier-ignore
    expect(rows(await table('[{"text":"x","label":"a"},\n{"text":"y","label":"b"}]')).length).toBe(2);
  });

  it('reads paths, file URLs, bytes, Blobs and UTF-16 with its mark', async () => {
    const content = 'text,label\nÄpfel,a\n';
    const path = await file('b.csv', content);
    const utf16 = new Uint8Array(Buffer.from(`\ufeff${content}`, 'utf16le'));
    for (const source of [path, pathToFileURL(path), content, Buffer.from(content), new Blob([content]), utf16]) {
      expect(rows(await table(source))).toEqual([['row 2', 'Äpfel', 'a']]);
    }
    expect((await table(path)).origin).toBe(path);
  });

  it.skipIf(!existsSync(new URL('../../../shared/data/text/banking77/train.csv', import.meta.url)))(
    'reads a real table whose rows span lines (skipped without the shared data)',
    async () => {
      const data = await table(new URL('../../../shared/data/text/banking77/train.csv', import.meta.url));
      expect([data.length, data.labels.length]).toEqual([10003, 77]);
    },
  );
});

describe('columns', () => {
  it('are guessed where the names leave no doubt', async () => {
    expect(rows(await table('id,Sentence,Category\n1,x,a\n'))).toEqual([['row 2', 'x', 'a']]);
    expect(rows(await table('tweet,mood\nx,a\n'))).toEqual([['row 2', 'x', 'a']]);
    expect(rows(await table('words,label\nx,a\n'))).toEqual([['row 2', 'x', 'a']]);
    expect(rows(await table('sentence1,sentence2,label\nx,y,a\n'))).toEqual([['row 2', ['x', 'y'], 'a']]);
  });

  it('are named by the caller otherwise', async () => {
    await expectError(() => table('one,two,three\nx,y,a\n'), 'bad-data', 'which column', 'texts', '"one", "two", "three"', 'Fix');
    await expectError(() => table('text,two,three\nx,y,a\n'), 'bad-data', 'labels');
    await expectError(() => table('text,body,label\nx,y,a\n'), 'bad-data', 'texts');
    expect(rows(await table('text,body,label\nx,y,a\n', { text: 'body' }))).toEqual([['row 2', 'y', 'a']]);
  });

  it('that do not exist are refused with the list and the nearest', async () => {
    await expectError(
      () => table('body,team\nx,a\n', { text: 'boddy', label: 'team' }),
      'bad-data',
      'no column "boddy"',
      'Did you mean "body"',
      'Columns: "body", "team"',
    );
    await expectError(() => table('text,text,label\nx,y,a\n'), 'bad-data', '"text" twice');
  });

  it('may be two texts, and targets may be numbers', async () => {
    const data = await table('sentence1,sentence2,score\nx,y,2.5\n', { text: ['sentence1', 'sentence2'], target: 'score' });
    expect(rows(data)).toEqual([['row 2', ['x', 'y'], 2.5]]);
    expect(data.labels).toEqual([]);
  });
});

describe('rows that cannot be used', () => {
  const broken = 'text,label\ngood,a\nx,a,b\n,a\ny,\n\nfine,b\n';

  it('are errors that name them', async () => {
    await expectError(() => table(broken), 'bad-data', 'row 3 of table in memory', '3 cells and the header has 2', 'onBadItem');
    await expectError(() => table('text,label\n"open,a\nb,c\n'), 'bad-data', 'row 2', 'never closed');
    await expectError(() => table('{"text":"x","label":"a"}\nnonsense\n'), 'bad-data', 'row 2', 'not JSON: nonsense');
    await expectError(() => table('{"text":"x","label":"a"}\n[1]\n'), 'bad-data', 'not a JSON object');
    await expectError(() => table('text,score\nx,high\n', { target: 'score' }), 'bad-data', '"high" instead of a number');
  });

  it('are left out and listed on request', async () => {
    const data = await table(broken, { onBadItem: 'skip' });
    expect(data.items.map((item) => item.input)).toEqual(['good', 'fine']);
    expect(data.skipped.map((item) => item.id)).toEqual(['row 3', 'row 4', 'row 5']);
    expect(data.skipped[1]!.reason).toContain('its text is empty');
  });
});

describe('files that cannot be used', () => {
  it('say why', async () => {
    await expectError(() => table('nowhere.csv'), 'not-found', 'no file "nowhere.csv"');
    await expectError(() => table('text,label\n'), 'bad-data', 'holds no examples', 'no row below the header');
    await expectError(() => table('text,label\n,\n', { onBadItem: 'skip' }), 'bad-data', '1 were left out');
    await expectError(() => table('[{"text":\n'), 'corrupt-file', 'JSON array');
    await expectError(() => table('https://example.com/a.csv'), 'bad-option', 'not web addresses');
    await expectError(() => table('text,label\nx,a\n', { lable: 'x' } as object), 'bad-option', 'Did you mean "label"');
    await expectError(() => table('text,label\nx,a\n', { label: 'label', target: 'label' } as object), 'bad-option', 'not both');
    const binary = await file('photo.csv', new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 0x10]));
    await expectError(() => table(binary), 'corrupt-file', 'not a text file in UTF-8');
    await expectError(() => table(new Uint8Array([65, 0, 66, 0])), 'corrupt-file', 'not a text file');
    const large = await file('large.csv', 'text,label\nx,a\n');
    await expectError(() => table(large, { maxBytes: 4 }), 'too-large', 'cap of 4', 'maxBytes');
    await expectError(() => table(new Blob(['text,label\nx,a\n']), { maxBytes: 4 }), 'too-large', 'cap of 4');
  });
});
