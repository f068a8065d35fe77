import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Tests read the sources: the engine's module must be of the same day. Does nothing where it is. */
export function setup(): void {
  const root = path.resolve(import.meta.dirname, '../..');
  execFileSync(process.execPath, [path.join(root, 'packages/backend-simd/scripts/build-wasm.mjs')], { stdio: 'inherit' });
}
