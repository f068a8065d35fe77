/** The lock of a dataset's folder in deepend's cache. */
import { mkdir } from 'node:fs/promises';
import { DataError, errorCode, reason } from '../../errors';
import type { Reporter } from './progress';

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
  const { lock, done } = await loadLock();
  try {
    const release = await acquire(lock, folder, report);
    try {
      return await work();
    } finally {
      // This fails if another process took the lock over while this one was suspended.
      await release().catch(() => {});
    }
  } finally {
    done();
  }
}

type Lock = typeof import('proper-lockfile').lock;

const listenedSignals = () =>
  process.eventNames().filter((event) => String(event).startsWith('SIG')) as NodeJS.Signals[];

/** proper-lockfile's signal listeners, and the number of callers that need them at present. */
const listening = { listeners: new Map<NodeJS.Signals, () => void>(), callers: 0 };

/**
 * Loads proper-lockfile. It listens for signals, to remove its locks when the process ends. With a
 * listener, a program that is busy computing no longer ends at Ctrl-C, so the listeners are removed
 * when no lock is in use.
 */
async function loadLock(): Promise<{ lock: Lock; done: () => void }> {
  const { listeners } = listening;
  listening.callers++;
  const before = new Map(listenedSignals().map((signal) => [signal, process.listeners(signal)]));
  const { lock } = await import('proper-lockfile');
  for (const signal of listenedSignals()) {
    // Its listeners have this name, and the listeners of other modules are not touched.
    const added = process
      .listeners(signal)
      .find((found) => found.name === 'listener' && !before.get(signal)?.includes(found));
    if (added && !listeners.has(signal)) listeners.set(signal, added as () => void);
  }
  for (const [signal, listener] of listeners)
    if (!process.listeners(signal).includes(listener)) process.on(signal, listener);
  const done = () => {
    if (--listening.callers > 0) return;
    for (const [signal, listener] of listeners) process.removeListener(signal, listener);
  };
  return { lock, done };
}

async function acquire(lock: Lock, folder: string, report: Reporter): Promise<() => Promise<void>> {
  // Losing the lock is harmless: files enter the cache by a rename, and are checked when read.
  const options = { stale: STALE_MS, onCompromised: () => {} };
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
