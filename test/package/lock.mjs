/**
 * Brings package-lock.json up to date with every package.json: `npm run lock`. It works in an empty
 * copy, since npm drops the optional packages of other platforms from the lock file where
 * node_modules is installed. The lock file names no registry.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { listPackages, ROOT } from './packages.mjs';

export function updateLock(root = ROOT) {
  const copy = mkdtempSync(path.join(tmpdir(), 'deepend-lock-'));
  try {
    const files = listPackages(root).map(({ folder }) => `packages/${folder}/package.json`);
    for (const file of ['package.json', 'package-lock.json', ...files]) {
      mkdirSync(path.dirname(path.join(copy, file)), { recursive: true });
      copyFileSync(path.join(root, file), path.join(copy, file));
    }
    const flags = ['--package-lock-only', '--omit-lockfile-registry-resolved', '--ignore-scripts'];
    execFileSync('npm', ['install', ...flags, '--no-audit', '--no-fund'], {
      cwd: copy,
      stdio: ['ignore', 2, 2],
    });
    copyFileSync(path.join(copy, 'package-lock.json'), path.join(root, 'package-lock.json'));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) updateLock();
