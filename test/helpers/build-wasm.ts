import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Tests read the sources: the modules must be of the same day. Does nothing where they are. */
export function setup(): void {
  const root = path.resolve(import.meta.dirname, '../..');
  for (const folder of ['backend-simd', 'data']) {
    execFileSync(process.execPath, [path.join(root, `packages/${folder}/scripts/build-wasm.mjs`)], { stdio: 'inherit' });
  }
}
