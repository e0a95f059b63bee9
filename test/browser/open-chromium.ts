import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import type { Page } from './register-page.js';
import { servePages, type ServedPage } from './serve-page.js';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Why there is no browser to test in; empty where there is one. */
const absent = existsSync(executablePath) ? '' : `no Chromium at ${executablePath}; CHROMIUM may name one`;

/** Quiet, without a sandbox (containers lack it), and with WebGL and WebGPU computed by software. */
const flags = ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-quic', '--no-first-run'];
const webgpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** What a page puts into its own global scope. */
declare const page: Page;

/** Opens a page, and registers each of its cases as a test. */
async function registerTests(browser: Browser, address: string): Promise<void> {
  const opened = await browser.newPage();
  const complaints: string[] = [];
  opened.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
  opened.on('console', (message) => void (message.type() === 'log' && console.log(message.text())));
  await opened.goto(address);
  await opened
    .waitForFunction(() => 'page' in globalThis, undefined, { timeout: 20_000 })
    .catch((error: unknown) => {
      throw new Error(`${address} did not load: ${complaints.join('\n') || String(error)}`);
    });
  for (const name of await opened.evaluate(() => page.names)) {
    test(name, async () => {
      const error = await opened.evaluate((each) => page.run(each), name);
      if (error !== undefined) throw new Error(error);
    });
  }
  test('nothing was thrown past its caller', () => expect(complaints).toEqual([]));
}

/** Registers the cases of pages as tests in a real Chromium; where there is none, one skipped test says so. */
export async function testInChromium(makePages: () => Promise<Readonly<Record<string, ServedPage>>>): Promise<void> {
  if (absent !== '') {
    console.log(`browser tests skipped: ${absent}`);
    test.skip(`in Chromium (skipped: ${absent})`, () => undefined);
    return;
  }
  const pages = await makePages();
  const server = await servePages(pages);
  const browser = await chromium.launch({ executablePath, headless: true, args: [...flags, ...webgpu, ...quiet] });
  afterAll(async () => {
    await browser.close();
    server.close();
  });
  for (const [name, { title }] of Object.entries(pages)) describe(title, () => registerTests(browser, `${server.address}${name}/`));
}
