import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const run = (command: string, parameters: string[], cwd: string): string =>
  execFileSync(command, parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

let project: string;
let tarball: string;

/** A project that has the tarball and, beside it, every package that a user would have installed. */
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'transferkit-consumer-'));
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], root)) as [
    { filename: string },
  ];
  tarball = join(project, packed.filename);
  const modules = join(project, 'node_modules');
  mkdirSync(join(modules, 'transferkit'), { recursive: true });
  run('tar', ['xzf', tarball, '-C', join(modules, 'transferkit'), '--strip-components=1'], project);
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== 'transferkit' && !name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

const names = 'Object.keys(tk).sort().join(" ")';

test('import works, with named exports', () => {
  const printed = run(
    'node',
    ['--input-type=module', '-e', `import * as tk from 'transferkit'; console.log(typeof tk.fineTune, ${names})`],
    project,
  );
  expect(printed).toMatch(/^function .*TransferKitError/);
});

test('require works', () => {
  const printed = run(
    'node',
    ['-e', `const tk = require('transferkit'); console.log(typeof tk.fineTune, typeof require('transferkit/data').imageFolder)`],
    project,
  );
  expect(printed.trim()).toBe('function function');
});

test('every subpath can be imported', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> };
  const plugins = ['backbones', 'sources', 'heads'].flatMap((folder) =>
    readdirSync(join(root, 'src', folder))
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `transferkit/${folder}/${file.slice(0, -3)}`),
  );
  const fixed = Object.keys(exports)
    .filter((path) => !path.includes('*') && path !== './package.json')
    .map((path) => `transferkit${path.slice(1)}`);
  const program = [...fixed, ...plugins].map((path) => `await import(${JSON.stringify(path)});`).join('\n');
  expect(run('node', ['--input-type=module', '-e', `${program}\nconsole.log('all')`], project).trim()).toBe('all');
});

test('a model is trained, saved and loaded with the tarball', () => {
  const program = `
    import { addHead, classification, fineTune, loadModel, TransferKitError } from 'transferkit';
    import { tinyBase, tinySamples } from 'transferkit/testing';
    import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
    import { runtime } from 'transferkit/node';
    const model = addHead(await tinyBase(mobilenetV2, runtime), classification(['even', 'odd']));
    await fineTune(model, tinySamples(mobilenetV2), { epochs: 2 });
    const inputs = tinySamples(mobilenetV2).items.map((item) => item.input);
    const before = await model.predict(inputs);
    await model.save('saved');
    const after = await (await loadModel('saved')).predict(inputs);
    console.log(JSON.stringify(before) === JSON.stringify(after));
  `;
  expect(run('node', ['--input-type=module', '-e', program], project).trim()).toBe('true');
});

test('the networks that ship with it are in the tarball, and load from there without a network', () => {
  const program = `
    import { fineTune, loadPretrained } from 'transferkit';
    import { examples } from 'transferkit/data';
    globalThis.fetch = () => { throw new Error('the network was asked'); };
    const shapes = [];
    for (const name of ['text-small', 'text-transformer', 'bundled://image-small']) {
      const base = await loadPretrained(name, { offline: true });
      const input = base.modality === 'text' ? 'a red rose' : { width: 2, height: 2, data: new Uint8Array(12) };
      shapes.push((await base.embed(input)).values.length);
    }
    const rows = ['my bill is wrong', 'a refund, please', 'it crashes', 'it does not start'];
    const data = examples(rows.map((text, index) => ({ text, label: index < 2 ? 'billing' : 'support' })));
    const { model } = await fineTune(data, { progress: false });
    console.log(shapes.join(), (await model.predict('a refund, please')).label);
  `;
  expect(run('node', ['--input-type=module', '-e', program], project).trim()).toBe('256,256,1280 billing');
  const required = `const { loadPretrained } = require('transferkit'); loadPretrained('text-small').then((base) => console.log(base.provenance.origin))`;
  expect(run('node', ['-e', required], project).trim()).toBe('bundled://text-small');
  const path = `import { createRequire } from 'node:module'; console.log(createRequire(import.meta.url).resolve('transferkit/assets/image-small.safetensors'))`;
  expect(run('node', ['--input-type=module', '-e', path], project).trim()).toMatch(/assets[\\/]image-small\.safetensors$/);
});

test('types resolve for a consumer, with labels typed end to end', () => {
  writeFileSync(
    join(project, 'use.ts'),
    `import { addHead, classification, loadPretrained } from 'transferkit';
     import { imageFolder } from 'transferkit/data';
     import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
     const base = await loadPretrained<'image'>('mobilenet-v2');
     const model = addHead(base, classification(['cat', 'dog']));
     const { label } = await model.predict('a.jpg');
     const pet: 'cat' | 'dog' = label;
     // @ts-expect-error a label that does not exist
     const wrong: 'bird' = label;
     console.log(pet, wrong, imageFolder, mobilenetV2.name);`,
  );
  const compile = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--target',
    'es2022',
    '--types',
    'node',
    '--typeRoots',
    join(root, 'node_modules/@types'),
  ];
  for (const resolution of [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    run('node', [join(root, 'node_modules/typescript/bin/tsc'), ...compile, ...resolution, 'use.ts'], project);
  }
});
