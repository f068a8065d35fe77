/**
 * Runs every packages/X/scripts/build-*.mjs: they write src/generated/, which the sources import.
 * The order is that of the scripts' names, since build-worker.mjs bundles what build-wasm.mjs
 * wrote. Each script does nothing when its inputs have not changed.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { listPackages } from './packages.mjs';

export async function generate(root) {
  const scripts = listPackages(root).flatMap(({ dir }) => {
    const folder = path.join(dir, 'scripts');
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((name) => /^build-.*\.mjs$/.test(name));
    return names.map((name) => path.join(folder, name));
  });
  const byName = (a, b) => (path.basename(a) < path.basename(b) ? -1 : 1);
  for (const script of scripts.sort(byName)) await import(pathToFileURL(script).href);
}

if (process.argv[1] === import.meta.filename) await generate();
