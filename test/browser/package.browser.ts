import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildWithVite } from './build-with-vite.js';
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
  cpSync(join(root, 'assets'), join(modules, 'transferkit/assets'), { recursive: true });
  const build = ['tsup', '--no-dts', '--silent', '--out-dir', join(modules, 'transferkit/dist')];
  execFileSync('npx', build, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  for (const file of ['bundled-page.ts', 'package-page.ts', 'register-page.ts'])
    copyFileSync(join(import.meta.dirname, file), join(project, file));
  return project;
}

await testInChromium(async () => {
  const project = makeProject();
  try {
    return {
      package: { title: 'the built package in Chromium', files: await bundlePage('package-page.ts', { folder: project }), isolated: false },
      vite: {
        title: 'the built package in Chromium, bundled by Vite',
        files: await buildWithVite('bundled-page.ts', project),
        isolated: true,
      },
    };
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
});
