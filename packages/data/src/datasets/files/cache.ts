/**
 * deepend's cache folder for datasets, by the XDG rules
 * (https://specifications.freedesktop.org/basedir-spec/), and its lock.
 */
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { DataError, errorCode, reason } from '../../errors';
import type { Reporter } from './progress';

/** The cache folder of a dataset: `$XDG_CACHE_HOME/deepend/<id>`, or `~/.cache/deepend/<id>`. */
export function cacheFolder(id: string): string {
  const { XDG_CACHE_HOME: xdg = '' } = process.env;
  return join(isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'deepend', id);
}

/** A lock whose process has died is taken over after this time. */
const STALE_MS = 15_000;

/**
 * Calls `work` while no other process does so for the same folder. Creates the folder if needed.
 * @throws DataError when the folder cannot be created or written to
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
    // This fails if another process took the lock over while this one was suspended.
    await release().catch(() => {});
  }
}

async function acquire(folder: string, report: Reporter): Promise<() => Promise<void>> {
  // Losing the lock is harmless: files enter the cache by a rename, and are checked when read.
  const options = { stale: STALE_MS, onCompromised: () => {} };
  const { lock } = await import('proper-lockfile');
  try {
    return await lock(folder, options);
  } catch (error) {
    if (errorCode(error) !== 'ELOCKED') throw folderError(folder, error);
  }
  report.say(`another process is filling ${folder}; waiting for it`);
  try {
    const retries = { forever: true, minTimeout: 100, maxTimeout: 1000 };
    return await lock(folder, { ...options, retries });
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** The error for a cache folder or file that cannot be written to. */
export function folderError(folder: string, error: unknown): DataError {
  const next =
    'free space or grant write permission there, or set XDG_CACHE_HOME to another folder';
  return new DataError(folder, 'a folder that can be written to', reason(error), next, {
    cause: error,
  });
}
