import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bundlePage } from './bundle-page.js';
import { testInChromium } from './open-chromium.js';

const root = resolve(import.meta.dirname, '../..');

/** A project that has the package as it is built, and beside it what a user would have installed. */
function makeProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'transferkit-page-'));
  const modules = join(project, 'node_modules');
  mkdirSync(join(modules, 'transferkit'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== 'transferkit' && !name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(modules, name));
  copyFileSync(join(root, 'package.json'), join(modules, 'transferkit/package.json'));
  const build = ['tsup', '--no-dts', '--silent', '--out-dir', join(modules, 'transferkit/dist')];
  execFileSync('npx', build, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  for (const file of ['package-page.ts', 'register-page.ts']) copyFileSync(join(import.meta.dirname, file), join(project, file));
  return project;
}

await testInChromium(async () => {
  const project = makeProject();
  try {
    const files = await bundlePage('package-page.ts', { folder: project });
    return { package: { title: 'the built package in Chromium', files, isolated: false } };
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
});
