/**
 * Debian's Chromium through playwright-core, for tests that look at pages as a reader's browser
 * does.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why no browser can be opened, for a skipped test's title; undefined where one can. */
export const noBrowser: string | undefined = reason();

function reason(): string | undefined {
  try {
    createRequire(import.meta.url).resolve('playwright-core');
  } catch {
    return 'playwright-core is not installed: npm run peers';
  }
  return existsSync(CHROMIUM)
    ? undefined
    : `no browser at ${CHROMIUM}: apt-get install chromium, or name one in CHROMIUM`;
}

/** WebGPU without a GPU: it computes on the processor. */
const SOFTWARE_GPU = [
  ...['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'],
];

export async function openBrowser({ hasWebgpu = false } = {}): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  const args = ['--no-sandbox', ...(hasWebgpu ? SOFTWARE_GPU : ['--disable-gpu'])];
  return chromium.launch({ executablePath: CHROMIUM, args });
}
