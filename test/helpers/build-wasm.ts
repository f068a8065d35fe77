import { execFileSync } from 'node:child_process';
import path from 'node:path';

const SCRIPTS = [
  'backend-simd/scripts/build-wasm.mjs',
  'data/scripts/build-wasm.mjs',
  'data/scripts/build-worker.mjs',
  'deepend/scripts/build-page.mjs',
  'trainer/scripts/build-worker.mjs',
];

/** Tests read the sources: what is generated must be of the same day. Does nothing where it is. */
export function setup(): void {
  const root = path.resolve(import.meta.dirname, '../..');
  for (const script of SCRIPTS)
    execFileSync(process.execPath, [path.join(root, 'packages', script)], { stdio: 'inherit' });
}
