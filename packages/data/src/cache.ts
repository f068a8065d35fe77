/**
 * deepend's own folder for data, by the XDG rules
 * (https://specifications.freedesktop.org/basedir-spec/), and its lock.
 */
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import lockfile from 'proper-lockfile';
import { DataError, errorCode, reason } from './errors';
import type { Reporter } from './progress';

/** Where a set's files are kept: `$XDG_CACHE_HOME/deepend/<id>`, or `~/.cache/deepend/<id>`. */
export function cacheFolder(id: string): string {
  const { XDG_CACHE_HOME: xdg = '' } = process.env;
  return join(isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'deepend', id);
}

/** A lock whose holder has died is taken over after this time. */
const STALE_MS = 15_000;

/**
 * Does `work` while no other process does so for the same folder, which is made if need be.
 * @throws DataError when the folder cannot be made or written to
 */
export async function withLock<T>(
  folder: string,
  report: Reporter,
  work: () => Promise<T>,
): Promise<T> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw folderError(folder, error);
  }
  const release = await acquire(folder, report);
  try {
    return await work();
  } finally {
    await release().catch(() => {}); // taken over while this process was held up: not ours any more
  }
}

async function acquire(folder: string, report: Reporter): Promise<() => Promise<void>> {
  // A lock that was lost does no harm: what enters the cache is checked as it lies on disk, and
  // enters by a rename.
  const options = { stale: STALE_MS, onCompromised: () => {} };
  try {
    return await lockfile.lock(folder, options);
  } catch (error) {
    if (errorCode(error) !== 'ELOCKED') throw folderError(folder, error);
  }
  report.say(`another process is filling ${folder}; waiting for it`);
  try {
    return await lockfile.lock(folder, {
      ...options,
      retries: { forever: true, minTimeout: 100, maxTimeout: 1000 },
    });
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** The error for a cache that cannot be written to. */
export function folderError(folder: string, error: unknown): DataError {
  const next = 'make room or give rights there, or set XDG_CACHE_HOME to another folder';
  return new DataError(folder, 'a folder that can be written to', reason(error), next, {
    cause: error,
  });
}
