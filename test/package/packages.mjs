/** The packages of this repository, read from the folders of packages/. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

export const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/**
 * @typedef {{ folder: string, dir: string, name: string, manifest: Record<string, any> }} Package
 * @param {string} [root] a copy of the repository
 * @returns {Package[]} one for each folder of packages/, in alphabetical order
 */
export function listPackages(root = ROOT) {
  return readdirSync(path.join(root, 'packages'))
    .sort()
    .map((folder) => {
      const dir = path.join(root, 'packages', folder);
      const manifest = readJson(path.join(dir, 'package.json'));
      return { folder, dir, name: manifest.name, manifest };
    });
}

/** The files under dist/ that a package.json promises: by exports, main, module and types. */
export function promisedFiles({ exports, main, module, types }) {
  const targets = (value) =>
    typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(targets);
  const files = [...targets(exports), main, module, types];
  return [...new Set(files.filter((file) => file?.startsWith('./dist/')))];
}

/** Links to everything that is installed here, but for the packages of this repository. */
export function linkModules(target) {
  const source = path.join(ROOT, 'node_modules');
  const own = new Set(['.cache', '.package-lock.json', 'deepend', '@deepend']);
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(source))
    if (!own.has(name)) symlinkSync(path.join(source, name), path.join(target, name));
}
