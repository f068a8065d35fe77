import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Tests read the sources: src/generated must match them. Does nothing where it does. */
export function setup(): void {
  const script = path.resolve(import.meta.dirname, '../package/generate.mjs');
  execFileSync(process.execPath, [script], { stdio: 'inherit' });
}
