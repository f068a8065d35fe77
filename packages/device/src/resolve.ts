import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * A file of this package, whichever of its builds runs: CommonJS knows its file's name, ES modules
 * their address.
 */
export const HERE =
  typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;

/**
 * Where an optional package's main file lies: beside the program that runs first, then beside
 * deepend.
 */
export function resolvePackage(name: string): string | undefined {
  for (const from of [path.join(process.cwd(), 'index.js'), HERE]) {
    try {
      return createRequire(from).resolve(name);
    } catch {}
  }
  return undefined;
}
